//! Whether the clock is synchronised.

use std::path::Path;
use std::time::Duration;

use super::FactsRequest;
use crate::system::tool;

/// Output of a system tool, or why there is none.
fn answer_of(program: &str, arguments: &[&str], limit: Duration, questions: &FactsRequest<'_>) -> Result<String, String> {
    tool::answer_of(program, arguments, questions.time(limit), questions.cancellation).map_err(|error| error.to_string())
}

/// Whether the clock is synchronised, as far as system tools report it.
pub(super) fn clock_synchronised(questions: &FactsRequest<'_>) -> Option<bool> {
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
