//! Whether the clock is synchronised.

use std::path::Path;
use std::time::Duration;

use super::Questions;
use crate::system::tool;

/// What a program of the system answers, or why it does not.
fn answer_of(program: &str, arguments: &[&str], limit: Duration, questions: &Questions<'_>) -> Result<String, String> {
    tool::answer_of(program, arguments, questions.time(limit), questions.stop).map_err(|error| error.to_string())
}

/// Whether something keeps the clock in time, as far as its tools say.
pub(super) fn clock_synchronised(questions: &Questions<'_>) -> Option<bool> {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Some(true);
    }
    let limit = Duration::from_secs(3);
    let asked = answer_of("timedatectl", &["show", "--property=NTPSynchronized", "--value"], limit, questions);
    if let Some(synchronised) = asked.ok().and_then(|text| yes_or_no(&text)) {
        return Some(synchronised);
    }
    let tracking = answer_of("chronyc", &["-n", "tracking"], limit, questions).ok()?;
    let leap = tracking.lines().find_map(|line| line.strip_prefix("Leap status"))?;
    Some(leap.contains("Normal"))
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}
