//! Output at the end of a job: `job.json`, the step summary and the annotation of its failure.

use super::console::Console;
use super::context::JobFolders;
use super::error::ExecutionError;
use super::summary::summary;
use crate::fleet::engine_log;
use crate::github::workflow::WorkflowFiles;
use crate::job::{JobRecord, Outcome};
use crate::model::Secret;
use crate::system::files;
use crate::system::redaction::redact_document;

/// Writes `job.json` and the step summary, and prints how the job ended. Reasons quote output of engines, so secrets are removed from
/// everything.
pub(super) fn publish(record: &JobRecord, folders: &JobFolders, console: &Console, secrets: &[Secret]) -> Result<(), ExecutionError> {
    let file = folders.out.join("job.json");
    let document = redact_document(serde_json::to_value(record)?, secrets);
    if files::write_json(&file, &document).is_err() {
        // If the disk is full, the record is worth more than the beginning of the log.
        let _ = engine_log::shorten(&folders.server_log());
        files::write_json(&file, &document)?;
    }
    match serde_json::from_value(document) {
        Ok(redacted) => WorkflowFiles::from_environment().add_summary(&summary(&redacted))?,
        Err(error) => console.line(&format!(
            "warning: no step summary, because a name in {} contained a secret: {error}",
            file.display()
        )),
    }
    match &record.outcome {
        Outcome::Ok => console.line(&format!("done in {:.1} s: {}", record.seconds, folders.out.display())),
        Outcome::Failed(failure) => {
            if let Some(tail) = &failure.log_tail {
                console.group("end of server.log", tail);
            }
            console.failure(&format!("benchmark failed ({})", failure.class.as_str()), &failure.reason);
        }
    }
    Ok(())
}
