//! CPU and memory of the host during a job: if they are exhausted, the benchmark measures the host instead of the engine.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One sample of the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostSample {
    /// Unix time, seconds.
    pub at_unix_s: f64,
    /// CPU time used since the previous sample, percent of all CPUs.
    pub cpu_percent: f64,
    /// Memory that is not available, MiB.
    pub memory_used_mib: f64,
    /// Total memory, MiB.
    pub memory_mib: f64,
}

/// The content of `host_metrics.csv`.
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostUse {
    /// Mean CPU use, percent.
    pub mean_cpu_percent: f64,
    /// Highest CPU use within a second, percent.
    pub peak_cpu_percent: f64,
    /// Highest memory use, MiB.
    pub peak_memory_mib: f64,
}

/// Host use between two Unix times; `None` without samples between them.
#[must_use]
pub fn host_use(samples: &[HostSample], (start, end): (f64, f64)) -> Option<HostUse> {
    let inside: Vec<&HostSample> = samples.iter().filter(|sample| (start..=end).contains(&sample.at_unix_s)).collect();
    let count = u32::try_from(inside.len()).ok().filter(|count| *count > 0)?;
    Some(HostUse {
        mean_cpu_percent: inside.iter().map(|sample| sample.cpu_percent).sum::<f64>() / f64::from(count),
        peak_cpu_percent: inside.iter().map(|sample| sample.cpu_percent).fold(0.0, f64::max),
        peak_memory_mib: inside.iter().map(|sample| sample.memory_used_mib).fold(0.0, f64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_that_of_the_window_alone() {
        let sample = HostSample {
            at_unix_s: 1.0,
            cpu_percent: 25.0,
            memory_used_mib: 1.0,
            memory_mib: 2.0,
        };
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
