//! GPU checks: presence, number, model, driver, throttling, other processes, and free memory.

use super::check::{Finding, Grade, NodeCheck, Wanted, finding};
use super::{Gpu, GpuProblem, GpuUse};

/// The finding for GPUs that could not be determined. A missing tool prevents a job only if the profile has requirements on GPUs.
pub(super) fn unknown(problem: &GpuProblem, wanted: Wanted<'_>) -> Finding {
    let node = wanted.node;
    let asks = [
        (node.gpus.is_some(), "gpus"),
        (node.gpu_name.is_some(), "gpu-name"),
        (node.driver.is_some(), "driver"),
    ];
    let asks: Vec<String> = asks
        .iter()
        .filter(|(asked, _)| *asked)
        .map(|(_, key)| format!("`node.{key}`"))
        .collect();
    let (grade, detail) = match problem {
        GpuProblem::Failed(problem) => (
            Grade::Failed,
            format!("cannot read the GPUs: {problem}; look for a lost one (dmesg, Xid), reset it or reboot the node"),
        ),
        GpuProblem::NotInstalled(problem) if asks.is_empty() => (Grade::Warning, format!("cannot read the GPUs: {problem}")),
        GpuProblem::NotInstalled(problem) => (
            Grade::Failed,
            format!(
                "cannot read the GPUs: {problem}; install it, or take {} out of the profile",
                asks.join(", ")
            ),
        ),
    };
    finding(NodeCheck::GpuNumber, grade, detail)
}

/// All checks of known GPUs whose result does not depend on when they are made.
pub(super) fn all(gpus: &[Gpu], wanted: Wanted<'_>) -> [Finding; 4] {
    [number(gpus, wanted), kind(gpus, wanted), driver(gpus, wanted), clocks(gpus)]
}

fn names(gpus: &[Gpu]) -> String {
    let mut names: Vec<&str> = gpus.iter().map(Gpu::label).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

fn number(gpus: &[Gpu], wanted: Wanted<'_>) -> Finding {
    let found = gpus.len() as u64;
    let at_least = wanted.gpus.unwrap_or(0).max(u64::from(wanted.node.gpus.unwrap_or(0))).max(1);
    if found < at_least {
        let detail =
            format!("{found} GPUs, expected at least {at_least}; look for a fallen one (dmesg), or at the choice in *_VISIBLE_DEVICES");
        return finding(NodeCheck::GpuNumber, Grade::Failed, detail);
    }
    finding(NodeCheck::GpuNumber, Grade::Ok, format!("{found} x {}", names(gpus)))
}

/// Whether a GPU's name contains that of the profile. Drivers differ in case, spaces and hyphens.
fn is_kind(name: &str, expected: &str) -> bool {
    let [name, expected] = [name, expected].map(|text| text.to_lowercase().replace([' ', '-'], ""));
    name.contains(&expected)
}

fn kind(gpus: &[Gpu], wanted: Wanted<'_>) -> Finding {
    let Some(expected) = &wanted.node.gpu_name else {
        return finding(NodeCheck::GpuKind, Grade::Ok, "the profile names no kind (`node.gpu-name`)");
    };
    let others: Vec<Gpu> = gpus
        .iter()
        .filter(|gpu| gpu.name.as_ref().is_some_and(|name| !is_kind(name, expected)))
        .cloned()
        .collect();
    if others.is_empty() {
        let unnamed: Vec<String> = gpus
            .iter()
            .filter(|gpu| gpu.name.is_none())
            .map(|gpu| gpu.index.to_string())
            .collect();
        if unnamed.is_empty() {
            return finding(NodeCheck::GpuKind, Grade::Ok, expected.clone());
        }
        let detail = format!(
            "the driver does not say what GPU {} is, expected {expected} as `node.gpu-name` says",
            unnamed.join(", ")
        );
        return finding(NodeCheck::GpuKind, Grade::Warning, detail);
    }
    let detail = format!(
        "{}, expected {expected} as `node.gpu-name` says; is this the profile of another node?",
        names(&others)
    );
    finding(NodeCheck::GpuKind, Grade::Failed, detail)
}

fn driver(gpus: &[Gpu], wanted: Wanted<'_>) -> Finding {
    let mut versions: Vec<&str> = gpus.iter().filter_map(|gpu| gpu.driver.as_deref()).collect();
    versions.dedup();
    let [version] = versions.as_slice() else {
        let detail = if versions.is_empty() {
            "not known".to_owned()
        } else {
            versions.join(", ")
        };
        return finding(NodeCheck::GpuDriver, Grade::Unknown, detail);
    };
    match &wanted.node.driver {
        Some(least) if parts(version) < parts(least) => {
            let detail = format!("{version}, expected at least {least} as `node.driver` says; update it");
            finding(NodeCheck::GpuDriver, Grade::Failed, detail)
        }
        Some(_) | None => finding(NodeCheck::GpuDriver, Grade::Ok, *version),
    }
}

/// The numbers in a version.
fn parts(version: &str) -> Vec<u64> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

fn clocks(gpus: &[Gpu]) -> Finding {
    let held: Vec<String> = gpus
        .iter()
        .filter_map(|gpu| throttle_reasons(gpu).map(|reasons| format!("GPU {}: {reasons}", gpu.index)))
        .collect();
    if !held.is_empty() {
        let detail = format!("held back: {}; look at cooling and power before measuring", held.join("; "));
        return finding(NodeCheck::GpuClock, Grade::Warning, detail);
    }
    let highest = gpus.iter().filter_map(|gpu| gpu.max_clock_mhz).reduce(f64::max);
    let highest = highest.map_or_else(|| "maximum unknown".to_owned(), |mhz| format!("up to {mhz} MHz"));
    if gpus.iter().all(|gpu| gpu.held_back.is_some()) {
        finding(NodeCheck::GpuClock, Grade::Ok, highest)
    } else {
        let detail = format!("{highest}; unknown whether they are throttled");
        finding(NodeCheck::GpuClock, Grade::Unknown, detail)
    }
}

fn throttle_reasons(gpu: &Gpu) -> Option<String> {
    let reasons = gpu.held_back.as_ref().filter(|reasons| !reasons.is_empty());
    reasons.map(|reasons| reasons.join(", "))
}

pub(super) fn idle(uses: &[GpuUse]) -> Finding {
    if uses.is_empty() {
        return finding(NodeCheck::GpuIdle, Grade::Ok, "no other process uses them");
    }
    let uses: Vec<String> = uses
        .iter()
        .map(|used| {
            let gpu = used.gpu.map(|gpu| format!(" on GPU {gpu}")).unwrap_or_default();
            let job = used.job.as_ref().map(|job| format!(" of job {job}")).unwrap_or_default();
            format!("{} ({}){gpu}{job}", used.name, used.pid)
        })
        .collect();
    let detail = format!("in use by {}; a measurement beside it would be wrong", uses.join(", "));
    finding(NodeCheck::GpuIdle, Grade::Failed, detail)
}

pub(super) fn memory(gpus: &[Gpu], wanted: Wanted<'_>) -> Finding {
    let most = f64::from(wanted.node.max_memory_used_mib);
    let full: Vec<String> = gpus
        .iter()
        .filter_map(|gpu| {
            gpu.memory_used_mib
                .filter(|used| *used > most)
                .map(|used| format!("GPU {}: {used:.0} MiB", gpu.index))
        })
        .collect();
    if full.is_empty() {
        return finding(NodeCheck::GpuMemory, Grade::Ok, format!("at most {most} MiB in use"));
    }
    let detail = format!(
        "in use: {}, expected at most {most} MiB (`node.max-memory-used-mib`)",
        full.join(", ")
    );
    finding(NodeCheck::GpuMemory, Grade::Failed, detail)
}
