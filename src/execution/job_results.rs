//! Raw results of a row over several nodes that a launch script measures: `<RESULT_FILENAME>_<anything>.json` in the workspace, one file
//! for each concurrency, as InferenceX's launch scripts copy them from srt-slurm's and AMD's logs.

use std::time::SystemTime;

use super::context::JobContext;
use super::workspace::{WrittenFile, result_folders, written_files};
use crate::job::{FailureClass, JobFailure};
use crate::model::{Concurrency, VariableValue};
use crate::result::{Gpus, Json, gpus_in_name};

/// The most results of a job that are read. The longest list of concurrencies of InferenceX's configs has 14.
const MAX_RESULTS: usize = 1000;
/// The keys under which raw results and AgentX's aggregates have their concurrency.
const CONC_KEYS: [&str; 2] = ["max_concurrency", "conc"];

/// The results that a job wrote.
#[derive(Debug)]
pub(super) struct JobResults(Vec<JobResult>);

/// One of them.
#[derive(Debug)]
pub(super) struct JobResult {
    pub file: WrittenFile,
    pub text: String,
    /// GPUs that the file's name states: those that the job really had.
    pub gpus: Option<Gpus>,
    conc: Option<f64>,
}

impl JobResults {
    /// Reads the results of a row over several nodes that were written after `began`; none of other rows.
    pub fn of(ctx: &JobContext, began: SystemTime) -> Self {
        let prefix = result_filename(ctx).map(|name| format!("{name}_"));
        let Some(prefix) = prefix.filter(|_| ctx.spec.row.layout.is_multi_node()) else {
            return Self(Vec::new());
        };
        let is_result = |name: &str| name.starts_with(&prefix) && name.ends_with(".json");
        let folders = result_folders(ctx);
        let files = folders.iter().flat_map(|folder| written_files(folder, began, is_result));
        let mut results = Vec::new();
        for file in files.take(MAX_RESULTS) {
            match file.read() {
                Ok(text) => results.push(JobResult::of(file, text)),
                Err(error) => ctx.console.line(&format!("warning: result not read: {error}")),
            }
        }
        Self(results)
    }

    /// The result of a concurrency.
    ///
    /// # Errors
    /// If there are several, because only one of them can be the point's.
    pub fn at(&self, conc: Concurrency) -> Result<Option<&JobResult>, JobFailure> {
        let found: Vec<&JobResult> = self.0.iter().filter(|result| result.conc == Some(f64::from(conc.get()))).collect();
        match found.as_slice() {
            [] => Ok(None),
            [result] => Ok(Some(result)),
            [first, second, ..] => {
                let (first, second) = (first.file.path(), second.file.path());
                let reason = format!(
                    "{} results at concurrency {conc}, expected one: {}, {}; let the launch script copy one",
                    found.len(),
                    first.display(),
                    second.display()
                );
                Err(JobFailure::new(FailureClass::Client, reason))
            }
        }
    }

    /// Files at concurrencies that the row does not have.
    pub fn others<'a>(&'a self, concs: &'a [Concurrency]) -> impl Iterator<Item = &'a WrittenFile> {
        let is_of_row = |result: &&JobResult| concs.iter().any(|conc| result.conc == Some(f64::from(conc.get())));
        self.0.iter().filter(move |result| !is_of_row(result)).map(|result| &result.file)
    }
}

impl JobResult {
    fn of(file: WrittenFile, text: String) -> Self {
        let document = Json::parse(&text).ok();
        let conc = document.and_then(|document| CONC_KEYS.iter().find_map(|key| document.get(key)?.as_number()));
        let path = file.path();
        let gpus = path.file_name().and_then(|name| gpus_in_name(&name.to_string_lossy()));
        Self { file, text, gpus, conc }
    }
}

/// `RESULT_FILENAME` as the launch script got it.
pub(super) fn result_filename(ctx: &JobContext) -> Option<&str> {
    let variable = ctx.environment.iter().find(|variable| variable.name == "RESULT_FILENAME")?;
    match &variable.value {
        VariableValue::Plain(name) => Some(name),
        VariableValue::Secret(_) => None,
    }
}
