//! What must answer before a job starts: the container engine, the scheduler; and whether the clock is kept in time.

use std::path::Path;
use std::time::Duration;

use super::Questions;
use crate::fleet::launcher::container_engine_version;
use crate::job::{LaunchSettings, Service};
use crate::system::tool;

/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// What a program of the system answers, or why it does not.
fn answer_of(program: &str, arguments: &[&str], limit: Duration, questions: &Questions<'_>) -> Result<String, String> {
    tool::answer_of(program, arguments, questions.time(limit), questions.stop).map_err(|error| error.to_string())
}

/// The services that a launcher needs.
pub(super) fn services(questions: &Questions<'_>) -> Vec<Service> {
    let service = |name: &str, answer| Service {
        name: name.to_owned(),
        answer,
    };
    match questions.launch {
        LaunchSettings::Local | LaunchSettings::Script { .. } => Vec::new(),
        LaunchSettings::Docker(settings) => {
            let version = container_engine_version(settings, questions.time(LIMIT), questions.stop);
            vec![service("container engine", version)]
        }
        LaunchSettings::Slurm(_) => {
            let version = answer_of("sinfo", &["--version"], LIMIT, questions).map(|text| text.trim().to_owned());
            // `scontrol ping` ends with 0 also where no controller answers, and says so in words.
            let controller = answer_of("scontrol", &["ping"], LIMIT, questions).and_then(|text| {
                if text.contains("UP") {
                    Ok("controller is up".to_owned())
                } else {
                    Err(text.lines().next().unwrap_or_default().to_owned())
                }
            });
            vec![service("slurm", version), service("slurm controller", controller)]
        }
    }
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
