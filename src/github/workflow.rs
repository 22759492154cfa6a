//! The files by which a step of GitHub Actions sets outputs and its summary.
//! Formats: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::system::environment;

/// Why a step's output or summary could not be given to the runner.
#[derive(Debug, thiserror::Error)]
#[error("cannot append to {} (from {variable}): {source}", path.display())]
pub struct WorkflowFileError {
    pub variable: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

/// The files that a step may append to. Outside GitHub Actions there are none, and outputs are dropped.
#[derive(Debug, Clone, Default)]
pub struct WorkflowFiles {
    output: Option<PathBuf>,
    summary: Option<PathBuf>,
}

impl WorkflowFiles {
    /// The files that `GITHUB_OUTPUT` and `GITHUB_STEP_SUMMARY` name.
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            output: environment::path("GITHUB_OUTPUT"),
            summary: environment::path("GITHUB_STEP_SUMMARY"),
        }
    }

    /// Whether the runner takes outputs.
    #[must_use]
    pub fn takes_outputs(&self) -> bool {
        self.output.is_some()
    }

    /// Whether the step's summary has text already.
    #[must_use]
    pub fn has_summary(&self) -> bool {
        let facts = self.summary.as_ref().and_then(|path| path.metadata().ok());
        facts.is_some_and(|facts| facts.len() > 0)
    }

    /// Sets step outputs, in one write.
    ///
    /// # Errors
    /// If the runner's file cannot be appended to.
    pub fn set_outputs<'a>(&self, outputs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), WorkflowFileError> {
        let Some(path) = &self.output else { return Ok(()) };
        let text: String = outputs.into_iter().map(|(name, value)| output_record(name, value)).collect();
        append(path, &text).map_err(|source| WorkflowFileError {
            variable: "GITHUB_OUTPUT",
            path: path.clone(),
            source,
        })
    }

    /// Adds markdown to the step's summary.
    ///
    /// # Errors
    /// If the runner's file cannot be appended to.
    pub fn add_summary(&self, markdown: &str) -> Result<(), WorkflowFileError> {
        let Some(path) = &self.summary else { return Ok(()) };
        append(path, &format!("{}\n", markdown.trim_end())).map_err(|source| WorkflowFileError {
            variable: "GITHUB_STEP_SUMMARY",
            path: path.clone(),
            source,
        })
    }
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
}

/// A record in the multi-line form, which is used for every value. The delimiter does not occur in the value, so a value cannot end
/// its record and start another.
fn output_record(name: &str, value: &str) -> String {
    let mut delimiter = String::from("IMAX_END");
    while value.contains(&delimiter) {
        delimiter.push('_');
    }
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_its_own_record() {
        assert_eq!(output_record("n", "1"), "n<<IMAX_END\n1\nIMAX_END\n");
        assert_eq!(output_record("n", "a\nIMAX_END\nb"), "n<<IMAX_END_\na\nIMAX_END\nb\nIMAX_END_\n");
    }

    #[test]
    fn outputs_and_summaries_are_appended() {
        let folder = tempfile::tempdir().unwrap();
        let files = WorkflowFiles {
            output: Some(folder.path().join("out")),
            summary: Some(folder.path().join("summary")),
        };
        files.set_outputs([("a", "1"), ("b", "2")]).unwrap();
        files.set_outputs([("c", "3")]).unwrap();
        files.add_summary("# one").unwrap();
        files.add_summary("two\n\n").unwrap();
        let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(read("out").ends_with("b<<IMAX_END\n2\nIMAX_END\nc<<IMAX_END\n3\nIMAX_END\n"));
        assert_eq!(read("summary"), "# one\ntwo\n");
    }
}
