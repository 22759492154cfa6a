//! What is known about this machine: its name and identity, its kernel.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Which machine something is on. Both parts count: machines that were made from one image may have the same id, and
/// names are given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// A hash of `/etc/machine-id`, where there is one: the id itself is not for others to see
    /// (<https://www.freedesktop.org/software/systemd/man/latest/machine-id.html>).
    pub id: Option<String>,
}

/// This machine.
#[must_use]
pub fn machine() -> Machine {
    let id = text_of("/etc/machine-id");
    let is_id = id.len() == 32 && id.chars().all(|digit| digit.is_ascii_hexdigit());
    let hash = || hex::encode(Sha256::digest(format!("imax {id}"))).chars().take(16).collect();
    Machine {
        name: host_name(),
        id: is_id.then(hash),
    }
}

/// The machine's own name.
#[must_use]
pub fn host_name() -> String {
    text_of("/proc/sys/kernel/hostname")
}

/// The kernel's name and release.
#[must_use]
pub fn kernel() -> String {
    format!("{} {}", text_of("/proc/sys/kernel/ostype"), text_of("/proc/sys/kernel/osrelease"))
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// The number of the user that this process runs as.
#[must_use]
pub fn own_user() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").map_or(0, |process| process.uid())
}

/// CPU time of this process so far, user and system, seconds.
#[must_use]
pub fn cpu_seconds() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike as _;
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
        let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
        std::time::Duration::from_micros(u64::try_from(microseconds).unwrap_or(0)).as_secs_f64()
    })
}

/// Seconds since 1970 by the machine's clock.
#[must_use]
pub fn unix_seconds() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// Now, as RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn timestamp() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_a_name_and_a_kernel() {
        assert!(!host_name().is_empty());
        assert!(kernel().starts_with("Linux "));
    }
}
