//! Name, identity, kernel and clock of this machine.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Identifies a machine. Both parts are needed: machines cloned from one image may have the same id, and host names are reused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Host name.
    pub name: String,
    /// Hash of `/etc/machine-id`, if it exists: the id itself is confidential
    /// (<https://www.freedesktop.org/software/systemd/man/latest/machine-id.html>).
    pub id: Option<String>,
}

/// This machine.
#[must_use]
pub fn machine() -> Machine {
    let id = read_trimmed("/etc/machine-id");
    let is_id = id.len() == 32 && id.chars().all(|digit| digit.is_ascii_hexdigit());
    Machine {
        name: host_name(),
        id: is_id.then(|| hex::encode(Sha256::digest(format!("imax {id}"))).chars().take(16).collect()),
    }
}

/// The host name.
#[must_use]
pub fn host_name() -> String {
    read_trimmed("/proc/sys/kernel/hostname")
}

/// The kernel's name and release.
#[must_use]
pub fn kernel() -> String {
    format!(
        "{} {}",
        read_trimmed("/proc/sys/kernel/ostype"),
        read_trimmed("/proc/sys/kernel/osrelease")
    )
}

fn read_trimmed(path: &str) -> String {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// The user id of this process.
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

/// Seconds since the Unix epoch by the machine's clock.
#[must_use]
pub fn unix_seconds() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// The Unix time of a local wall-clock time, seconds. A time that occurs twice, when daylight saving ends, is the first of the two.
#[must_use]
pub fn local_unix_s(time: chrono::NaiveDateTime) -> Option<f64> {
    use chrono::TimeZone as _;
    let instant = chrono::Local.from_local_datetime(&time).earliest()?;
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 are below 2^53")]
    Some(instant.timestamp_micros() as f64 / 1e6)
}

/// Whether a program is in one of the folders of `PATH`.
#[must_use]
pub fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The current time as RFC 3339, UTC, with milliseconds.
#[must_use]
pub fn timestamp() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_name_and_kernel_are_known() {
        assert!(!host_name().is_empty());
        assert!(kernel().starts_with("Linux "));
    }
}
