//! Finds a task: a file of the user, or one of the tasks that imax ships, which are named without a folder.

use std::path::{Path, PathBuf};

use crate::model::suggestion;
use crate::system::files::{self, FileError};

/// A task that is part of the program, with the files that it names in `data_files`.
#[derive(Debug, Clone, Copy)]
struct ShippedTask {
    name: &'static str,
    text: &'static str,
    data: &'static [(&'static str, &'static [u8])],
}

/// A file of `benchmarks/evals`.
macro_rules! shipped {
    ($name:literal) => {
        include_bytes!(concat!("../../benchmarks/evals/", $name))
    };
}

const SHIPPED: [ShippedTask; 3] = [
    ShippedTask {
        name: "gsm8k",
        text: include_str!("../../benchmarks/evals/gsm8k.yaml"),
        data: &[],
    },
    ShippedTask {
        name: "gpqa_diamond",
        text: include_str!("../../benchmarks/evals/gpqa_diamond.yaml"),
        data: &[],
    },
    ShippedTask {
        name: "sums",
        text: include_str!("../../benchmarks/evals/sums.yaml"),
        data: &[
            ("benchmarks/evals/sums.jsonl", shipped!("sums.jsonl")),
            ("benchmarks/evals/sums_examples.jsonl", shipped!("sums_examples.jsonl")),
        ],
    },
];

/// Why a task cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum TaskFileError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Neither a file nor the name of a shipped task.
    #[error("`{name}` is neither a task file nor a task of imax: {hint}")]
    Unknown {
        /// The requested name.
        name: String,
        /// The names of all tasks, or the one that was probably meant.
        hint: String,
    },
}

/// The text of a task, and the location of its data files.
#[derive(Debug)]
pub(super) struct TaskFile {
    /// The name in messages.
    pub name: String,
    pub text: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// File names in the task are relative to the working folder, or else to the folder of this file.
    File(PathBuf),
    Shipped(&'static ShippedTask),
}

impl TaskFile {
    /// The file of that name, else the shipped task.
    pub fn find(asked: &Path) -> Result<Self, TaskFileError> {
        let name = asked.display().to_string();
        let is_plain_name = asked.extension().is_none() && asked.components().count() == 1;
        if !is_plain_name || asked.is_file() {
            return Ok(Self {
                text: files::read_text(asked)?,
                place: Place::File(asked.to_owned()),
                name,
            });
        }
        match SHIPPED.iter().find(|task| task.name == name) {
            Some(task) => Ok(Self {
                text: task.text.to_owned(),
                place: Place::Shipped(task),
                name,
            }),
            None => Err(TaskFileError::Unknown {
                hint: suggestion(&name, &SHIPPED.map(|task| task.name)),
                name,
            }),
        }
    }

    /// The bytes of a file that the task names in `data_files`.
    pub fn data(&self, name: &str) -> Result<Vec<u8>, FileError> {
        match &self.place {
            Place::File(file) => files::read(&resolve(name, file)),
            Place::Shipped(task) => match task.data.iter().find(|(known, _)| *known == name) {
                Some((_, bytes)) => Ok(bytes.to_vec()),
                None => files::read(Path::new(name)),
            },
        }
    }
}

fn resolve(name: &str, task_file: &Path) -> PathBuf {
    let given = PathBuf::from(name);
    let beside = task_file.parent().map(|folder| folder.join(name));
    match beside {
        Some(beside) if given.is_relative() && !given.exists() => beside,
        Some(_) | None => given,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::eval::task::{self, DataSource};
    use crate::model::SourceFile;

    #[test]
    fn shipped_tasks_bring_their_data() {
        for shipped in &SHIPPED {
            let file = TaskFile::find(Path::new(shipped.name)).unwrap();
            let task = task::read(&SourceFile::new(file.name.clone(), file.text.clone())).unwrap();
            assert_eq!(task.name, shipped.name);
            if let DataSource::Files(splits) = &task.source {
                for name in splits.iter().flat_map(|(_, names)| names) {
                    assert!(shipped.data.iter().any(|(known, _)| known == name), "{name}");
                }
            }
        }
    }

    #[test]
    fn unknown_task_lists_the_known_ones() {
        let message = |name: &str| TaskFile::find(Path::new(name)).unwrap_err().to_string();
        assert!(message("gsm9k").ends_with("did you mean `gsm8k`?"), "{}", message("gsm9k"));
        assert!(
            message("hellaswag").contains("known: gsm8k, gpqa_diamond, sums"),
            "{}",
            message("hellaswag")
        );
        assert!(message("folder/gsm8k").contains("folder/gsm8k"), "a path is a file");
    }
}
