//! Imports files of other tools.

use std::path::Path;

use super::intake::{Intake, IntakeError, first_text, refused, source_of};
use crate::analysis::{HistoryError, HistoryRun, Quarantined, Run, RunContext, RunKind};
use crate::result::{ImportHints, Imported, ImportedRun, InferencexDump, import};
use crate::store::artifacts;
use crate::store::database::Source;

/// The schema's name without its version: a history of a later version is rejected as such, not as an unknown format.
const HISTORY: &str = "\"imax-history/";

/// Whether bytes are a history, with its members in any order.
pub(super) fn is_history(bytes: &[u8]) -> bool {
    let starts_as_json = bytes
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_some_and(|first| b"{[".contains(first));
    starts_as_json && bytes.windows(HISTORY.len()).any(|part| part == HISTORY.as_bytes())
}

/// Reads a file of another tool.
pub(super) fn read(path: &Path, bytes: &[u8], hints: &ImportHints) -> Intake {
    let source = source_of(path, bytes);
    match import(bytes, hints) {
        Ok(imported) => intake(source, imported),
        Err(error) => refused(source, &error, &first_text(bytes)),
    }
}

/// Reads a folder with the tables of InferenceX's database.
pub(super) fn read_dump(folder: &Path, hints: &ImportHints) -> Result<Intake, IntakeError> {
    let dump = InferencexDump {
        configs: artifacts::read_text(&folder.join("configs.json"))?,
        workflow_runs: artifacts::read_text(&folder.join("workflow_runs.json"))?,
        benchmark_results: artifacts::read_text(&folder.join("benchmark_results.json"))?,
    };
    let source = source_of(folder, dump.benchmark_results.as_bytes());
    Ok(match dump.import(hints) {
        Ok(imported) => intake(source, imported),
        Err(error) => refused(source, &error, ""),
    })
}

fn intake(source: Source, imported: Imported) -> Intake {
    let Imported { runs, published, refused } = imported;
    let quarantined = refused.into_iter().map(|row| Quarantined::new(row.place, row.reason, &row.payload));
    let mut intake = Intake {
        source,
        runs: Vec::with_capacity(runs.len()),
        published,
        prices: Vec::new(),
        quarantined: quarantined.collect(),
    };
    for run in runs {
        let name = format!("run of {}", run.commit);
        match history_run(run) {
            Ok(run) => intake.runs.push(run),
            Err(error) => intake.quarantined.push(Quarantined::new(name, error.to_string(), "")),
        }
    }
    intake
}

fn history_run(imported: ImportedRun) -> Result<HistoryRun, HistoryError> {
    let ImportedRun {
        format,
        id,
        commit,
        branch,
        date,
        points,
    } = imported;
    let run = Run { points, ..Run::default() };
    let context = RunContext {
        kind: Some(RunKind::Import),
        provider: Some(format.as_str().to_owned()),
        // A run with an id is identified by it, one without by its content.
        repository: id.is_some().then(String::new),
        attempt: id.is_some().then_some(1),
        ..RunContext::default()
    };
    Ok(HistoryRun {
        branch,
        run_id: id,
        context,
        ..HistoryRun::new(&commit, date, run)?
    })
}
