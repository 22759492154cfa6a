//! Node checks. Each returns a finding even if all is well, so that a table shows what was checked.

use serde::{Deserialize, Serialize};

use super::{GpuProblem, NodeFacts, gpu_check};
use crate::job::NodeSettings;

/// A node check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeCheck {
    /// At least the number of GPUs that row and profile need.
    GpuNumber,
    /// The GPU model that the profile names.
    GpuKind,
    /// A driver that is new enough, the same on each GPU.
    GpuDriver,
    /// No throttling.
    GpuClock,
    /// No other process uses the GPUs.
    GpuIdle,
    GpuMemory,
    Disk,
    Port,
    HubToken,
    /// The cache of the model hub is writable.
    HubCache,
    /// A service that the launcher needs, such as the container engine or the scheduler, answers.
    Service,
    Clock,
    /// No files of other users in the workspace.
    Leftovers,
}

impl NodeCheck {
    /// The name in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GpuNumber => "gpu-number",
            Self::GpuKind => "gpu-kind",
            Self::GpuDriver => "gpu-driver",
            Self::GpuClock => "gpu-clock",
            Self::GpuIdle => "gpu-idle",
            Self::GpuMemory => "gpu-memory",
            Self::Disk => "disk",
            Self::Port => "port",
            Self::HubToken => "hub-token",
            Self::HubCache => "hub-cache",
            Self::Service => "service",
            Self::Clock => "clock",
            Self::Leftovers => "leftovers",
        }
    }
}

/// Severity, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// As required.
    Ok,
    /// It could not be checked.
    Unknown,
    /// A job can run, but the finding may affect it.
    Warning,
    /// A job cannot run, or its results would be wrong.
    Failed,
}

impl Grade {
    /// The name in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub check: NodeCheck,
    pub grade: Grade,
    /// What was found, with the remedy if there is a problem.
    pub detail: String,
}

/// Requirements on the node.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub node: &'a NodeSettings,
    /// GPUs of the row, if there is a row.
    pub gpus: Option<u64>,
    /// Whether the profile lists a hub token among its secrets.
    pub token: bool,
}

/// All checks whose result does not depend on when they are made.
#[must_use]
pub fn check_node(facts: &NodeFacts, wanted: Wanted<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    match &facts.gpus {
        None => {}
        Some(Err(problem)) => found.push(gpu_check::unknown(problem, wanted)),
        Some(Ok(gpus)) => found.extend(gpu_check::all(gpus, wanted)),
    }
    found.extend(disks(facts, wanted));
    found.extend(port(facts));
    found.extend(hub(facts, wanted));
    for service in &facts.services {
        found.push(match &service.answer {
            Ok(answer) => finding(NodeCheck::Service, Grade::Ok, format!("{}: {answer}", service.name)),
            Err(problem) => finding(
                NodeCheck::Service,
                Grade::Failed,
                format!("{} does not answer: {problem}", service.name),
            ),
        });
    }
    found.push(clock(facts));
    found.push(leftovers(facts));
    found
}

/// Checks that may pass after a wait, for processes that are exiting and memory that the driver has not freed yet.
#[must_use]
pub fn check_idle(facts: &NodeFacts, wanted: Wanted<'_>) -> Vec<Finding> {
    match &facts.gpus {
        Some(Ok(gpus)) => vec![gpu_check::idle(&facts.uses), gpu_check::memory(gpus, wanted)],
        Some(Err(GpuProblem::Failed(problem))) => vec![finding(
            NodeCheck::GpuIdle,
            Grade::Failed,
            format!("cannot determine whether the GPUs are in use: {problem}"),
        )],
        Some(Err(GpuProblem::NotInstalled(_))) | None => Vec::new(),
    }
}

#[must_use]
pub fn worst(findings: &[Finding]) -> Grade {
    findings.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Ok)
}

pub(super) fn finding(check: NodeCheck, grade: Grade, detail: impl Into<String>) -> Finding {
    Finding {
        check,
        grade,
        detail: detail.into(),
    }
}

fn disks(facts: &NodeFacts, wanted: Wanted<'_>) -> Vec<Finding> {
    let least = wanted.node.free_disk_gib;
    facts.disks.iter().map(|disk| check_disk(disk, least)).collect()
}

fn check_disk(disk: &super::Disk, least_gib: f64) -> Finding {
    let (grade, state) = match &disk.free_gib {
        Err(problem) => (Grade::Unknown, problem.clone()),
        Ok(free) if *free < least_gib => (
            Grade::Failed,
            format!(
                "{free:.2} GiB free, expected at least {least_gib} (`node.free-disk-gib`); the model cache and container storage come first"
            ),
        ),
        Ok(free) => (Grade::Ok, format!("{free:.1} GiB free")),
    };
    finding(NodeCheck::Disk, grade, format!("{} ({}): {state}", disk.what, disk.path))
}

fn port(facts: &NodeFacts) -> Option<Finding> {
    let port = facts.port?;
    Some(if port.free {
        finding(NodeCheck::Port, Grade::Ok, format!("port {} is free", port.number))
    } else {
        let detail = format!(
            "port {} is taken by another process; leave PORT unset so that a free one is chosen",
            port.number
        );
        finding(NodeCheck::Port, Grade::Failed, detail)
    })
}

fn hub(facts: &NodeFacts, wanted: Wanted<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if wanted.token {
        found.push(if facts.hub.token {
            finding(NodeCheck::HubToken, Grade::Ok, "HF_TOKEN is set")
        } else {
            finding(
                NodeCheck::HubToken,
                Grade::Warning,
                "HF_TOKEN is not set; gated models cannot be downloaded",
            )
        });
    }
    if let Some(cache) = &facts.hub.cache {
        found.push(match &cache.writable {
            Ok(()) => finding(NodeCheck::HubCache, Grade::Ok, cache.path.clone()),
            Err(problem) => finding(NodeCheck::HubCache, Grade::Warning, format!("{}: {problem}", cache.path)),
        });
    }
    found
}

fn clock(facts: &NodeFacts) -> Finding {
    match facts.clock_synchronised {
        Some(true) => finding(NodeCheck::Clock, Grade::Ok, "synchronised"),
        Some(false) => finding(
            NodeCheck::Clock,
            Grade::Warning,
            "not synchronised; times of several nodes cannot be compared, and tokens may be refused: start chrony or systemd-timesyncd",
        ),
        None => finding(
            NodeCheck::Clock,
            Grade::Unknown,
            "neither timedatectl nor chronyc reports whether it is synchronised",
        ),
    }
}

fn leftovers(facts: &NodeFacts) -> Finding {
    let super::Leftovers { count, example } = &facts.leftovers;
    match example {
        None => finding(NodeCheck::Leftovers, Grade::Ok, "no files of other users in the workspace"),
        Some(example) => {
            let detail = format!(
                "at least {count} files of other users in the workspace, such as {example}; the next checkout may fail: remove them, and run containers as this user (`docker.user`)"
            );
            finding(NodeCheck::Leftovers, Grade::Warning, detail)
        }
    }
}

#[cfg(test)]
mod tests;
