//! The checks. Each gives one finding, also where all is well, so that a table shows what was looked at.

use serde::{Deserialize, Serialize};

use super::{GpuProblem, NodeFacts, gpu_check};
use crate::job::NodeSettings;

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeCheck {
    /// As many GPUs as the row and the profile need.
    GpuNumber,
    /// GPUs of the kind that the profile names.
    GpuKind,
    /// A driver that is new enough, the same on each GPU.
    GpuDriver,
    /// Clocks that nothing holds back.
    GpuClock,
    /// No process computes on them.
    GpuIdle,
    /// Their memory is free.
    GpuMemory,
    /// Room on the disks.
    Disk,
    /// The engine's port is free.
    Port,
    /// A token for the model hub.
    HubToken,
    /// The model hub's cache can be written.
    HubCache,
    /// The container engine or the scheduler answers.
    Service,
    /// The clock is in time.
    Clock,
    /// No files of other users in the workspace.
    Leftovers,
}

impl NodeCheck {
    /// As tables and JSON write it.
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

/// How bad it is; the last is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// As it should be.
    Ok,
    /// Not to be found out.
    Unknown,
    /// A job can run, but somebody should know.
    Warning,
    /// A job cannot run, or would measure something else.
    Failed,
}

impl Grade {
    /// As tables and JSON write it.
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

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub check: NodeCheck,
    /// How bad it is.
    pub grade: Grade,
    /// What was found, and what to do where something must be done.
    pub detail: String,
}

/// What the node must have.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What the profile says.
    pub node: &'a NodeSettings,
    /// GPUs of the row, where there is a row.
    pub gpus: Option<u64>,
    /// Whether the profile names a token of the model hub among its secrets.
    pub token: bool,
}

/// All checks that do not pass by themselves.
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

/// The checks that may pass after a wait: processes that end, memory that a driver gives back late.
#[must_use]
pub fn check_idle(facts: &NodeFacts, wanted: Wanted<'_>) -> Vec<Finding> {
    match &facts.gpus {
        Some(Ok(gpus)) => vec![gpu_check::idle(&facts.uses), gpu_check::memory(gpus, wanted)],
        Some(Err(GpuProblem::Failed(problem))) => vec![finding(
            NodeCheck::GpuIdle,
            Grade::Failed,
            format!("it is not known whether the GPUs are in use: {problem}"),
        )],
        Some(Err(GpuProblem::NotInstalled(_))) | None => Vec::new(),
    }
}

/// The worst grade.
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
    let check = |disk: &super::Disk| match &disk.free_gib {
        Err(problem) => finding(NodeCheck::Disk, Grade::Unknown, format!("{} ({}): {problem}", disk.what, disk.path)),
        Ok(free) if *free < least => {
            let detail = format!(
                "{} ({}): {free:.2} GiB free, expected at least {least} (`node.free-disk-gib`); the model cache and container storage come first",
                disk.what, disk.path
            );
            finding(NodeCheck::Disk, Grade::Failed, detail)
        }
        Ok(free) => finding(
            NodeCheck::Disk,
            Grade::Ok,
            format!("{} ({}): {free:.1} GiB free", disk.what, disk.path),
        ),
    };
    facts.disks.iter().map(check).collect()
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
                "HF_TOKEN is not set; models behind conditions cannot be downloaded",
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
            "neither timedatectl nor chronyc says whether it is synchronised",
        ),
    }
}

fn leftovers(facts: &NodeFacts) -> Finding {
    let super::Leftovers { count, example } = &facts.leftovers;
    match example {
        None => finding(NodeCheck::Leftovers, Grade::Ok, "no files of other users in the workspace"),
        Some(example) => {
            let detail = format!(
                "{count} files or more of other users in the workspace, such as {example}; the next checkout may fail: remove them, and run containers as this user (`docker.user`)"
            );
            finding(NodeCheck::Leftovers, Grade::Warning, detail)
        }
    }
}

#[cfg(test)]
mod tests;
