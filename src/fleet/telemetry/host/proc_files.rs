//! `/proc/stat` and `/proc/meminfo` as samples of the host.

use crate::job::HostSample;
use crate::model::saturating;

/// CPU time of all CPUs since boot, in the kernel's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcStat {
    busy: u64,
    all: u64,
}

impl ProcStat {
    /// CPU use since an earlier sample, percent.
    pub(super) fn used_since(&self, earlier: &Self) -> f64 {
        let all = self.all.saturating_sub(earlier.all);
        let busy = self.busy.saturating_sub(earlier.busy);
        if all > 0 {
            100.0 * f64::from(saturating::to_u32(busy)) / f64::from(saturating::to_u32(all))
        } else {
            0.0
        }
    }
}

/// The first line of `/proc/stat` (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
pub fn proc_stat(text: &str) -> Option<ProcStat> {
    let fields = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let ticks: Vec<u64> = fields.take(8).map_while(|field| field.parse().ok()).collect();
    let [_, _, _, idle, iowait, ..] = ticks.as_slice() else {
        return None;
    };
    let all = ticks.iter().fold(0, |sum: u64, ticks| sum.saturating_add(*ticks));
    Some(ProcStat {
        busy: all.saturating_sub(*idle).saturating_sub(*iowait),
        all,
    })
}

/// A sample from the CPU use and the text of `/proc/meminfo`.
pub fn host_sample(at_unix_s: f64, cpu_percent: f64, meminfo: &str) -> Option<HostSample> {
    let (total, available) = (mib(meminfo, "MemTotal")?, mib(meminfo, "MemAvailable")?);
    Some(HostSample {
        at_unix_s,
        cpu_percent,
        memory_used_mib: total - available,
        memory_mib: total,
    })
}

/// A value of `/proc/meminfo`, which has KiB, in MiB.
fn mib(meminfo: &str, name: &str) -> Option<f64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_use_is_that_between_two_samples() {
        let earlier = proc_stat("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n").unwrap();
        let later = proc_stat("cpu  130 0 120 740 110 0 0 0 50 0\n").unwrap();
        assert!((later.used_since(&earlier) - 50.0).abs() < 1e-9);
        assert!(later.used_since(&later).abs() < 1e-9);
        assert_eq!(proc_stat("intr 1 2"), None);
        let damaged = proc_stat(&format!("cpu 1 2 3 4 {} 5\n", u64::MAX)).unwrap();
        assert!(damaged.used_since(&damaged).abs() < 1e-9);
    }

    #[test]
    fn memory_in_use_is_what_is_not_available() {
        let sample = host_sample(1.0, 25.0, "MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable: 1024 kB\n").unwrap();
        assert!((sample.memory_used_mib - 1.0).abs() < 1e-9 && (sample.memory_mib - 2.0).abs() < 1e-9);
    }
}
