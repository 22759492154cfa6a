//! The host's processors and memory while a job ran: a client or an engine that starves for them measures the host.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One look at the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostSample {
    /// When, seconds since 1970.
    pub at_unix_s: f64,
    /// Share of all processors' time that was used since the look before, percent.
    pub cpu_percent: f64,
    /// Memory that is not available, MiB.
    pub memory_used_mib: f64,
    /// Memory, MiB.
    pub memory_mib: f64,
}

/// Time of all processors since the boot, in the kernel's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcStat {
    busy: u64,
    all: u64,
}

impl ProcStat {
    /// The share that was used since an earlier look, percent.
    #[must_use]
    pub fn used_since(&self, earlier: &Self) -> f64 {
        let part = |now: u64, then: u64| f64::from(u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX));
        let all = part(self.all, earlier.all);
        if all > 0.0 {
            100.0 * part(self.busy, earlier.busy) / all
        } else {
            0.0
        }
    }
}

/// The first line of `/proc/stat` (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
#[must_use]
pub fn proc_stat(text: &str) -> Option<ProcStat> {
    let fields = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let ticks: Vec<u64> = fields.take(8).map_while(|field| field.parse().ok()).collect();
    let [_, _, _, idle, iowait, ..] = ticks.as_slice() else {
        return None;
    };
    let all: u64 = ticks.iter().sum();
    Some(ProcStat {
        busy: all - idle - iowait,
        all,
    })
}

impl HostSample {
    /// A look, from `/proc/stat`'s share and the text of `/proc/meminfo`.
    #[must_use]
    pub fn of(at_unix_s: f64, cpu_percent: f64, meminfo: &str) -> Option<Self> {
        let mib = |name: &str| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
        };
        let (total, available) = (mib("MemTotal")?, mib("MemAvailable")?);
        Some(Self {
            at_unix_s,
            cpu_percent,
            memory_used_mib: total - available,
            memory_mib: total,
        })
    }
}

/// The samples as `host_metrics.csv`.
#[must_use]
pub fn host_csv(samples: &[HostSample]) -> String {
    let mut text = String::from("timestamp_unix_s,cpu_percent,memory_used_mib,memory_mib\n");
    for sample in samples {
        let HostSample {
            at_unix_s,
            cpu_percent,
            memory_used_mib,
            memory_mib,
        } = sample;
        let _ = writeln!(text, "{at_unix_s:.3},{cpu_percent:.1},{memory_used_mib:.0},{memory_mib:.0}");
    }
    text
}

/// What the host did in a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostUse {
    /// Mean share of the processors, percent.
    pub mean_cpu_percent: f64,
    /// Highest share within a second, percent.
    pub peak_cpu_percent: f64,
    /// Most memory in use, MiB.
    pub peak_memory_mib: f64,
}

/// What the host did between two instants; nothing where no sample lies between them.
#[must_use]
pub fn host_use(samples: &[HostSample], (start, end): (f64, f64)) -> Option<HostUse> {
    let inside: Vec<&HostSample> = samples.iter().filter(|sample| (start..=end).contains(&sample.at_unix_s)).collect();
    let count = u32::try_from(inside.len()).ok().filter(|count| *count > 0)?;
    let peak = |value: fn(&HostSample) -> f64| inside.iter().map(|sample| value(sample)).fold(0.0, f64::max);
    Some(HostUse {
        mean_cpu_percent: inside.iter().map(|sample| sample.cpu_percent).sum::<f64>() / f64::from(count),
        peak_cpu_percent: peak(|sample| sample.cpu_percent),
        peak_memory_mib: peak(|sample| sample.memory_used_mib),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_time_between_two_looks() {
        let earlier = proc_stat("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n").unwrap();
        let later = proc_stat("cpu  130 0 120 740 110 0 0 0 50 0\n").unwrap();
        assert!((later.used_since(&earlier) - 50.0).abs() < 1e-9);
        assert!(later.used_since(&later).abs() < 1e-9);
        assert_eq!(proc_stat("intr 1 2"), None);
    }

    #[test]
    fn memory_in_use_is_what_is_not_available() {
        let sample = HostSample::of(1.0, 25.0, "MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable: 1024 kB\n").unwrap();
        assert_eq!(host_csv(&[sample]).lines().last(), Some("1.000,25.0,1,2"));
        let later = HostSample {
            at_unix_s: 2.0,
            cpu_percent: 75.0,
            ..sample
        };
        let used = host_use(&[sample, later], (0.0, 3.0)).unwrap();
        assert!((used.mean_cpu_percent - 50.0).abs() < 1e-9 && (used.peak_cpu_percent - 75.0).abs() < 1e-9);
        assert_eq!(host_use(&[sample], (2.0, 3.0)), None);
    }
}
