//! Benchmark repository of the demo: configs, recipes and profiles of this project in a git repository of their own, with the two
//! changelog commits that are measured.

use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::git::commit::NewRepository;
use crate::system::files;

macro_rules! source {
    ($path:literal) => {
        ($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path)))
    };
}

/// Files of a benchmark repository, compiled in so that the demo needs only the binary.
const FILES: [(&str, &str); 14] = [
    source!("configs/demo-master.yaml"),
    source!("configs/runners.yaml"),
    source!("configs/hardware.yaml"),
    source!("configs/sim.yaml"),
    source!("benchmarks/demo_fp8_h100.sh"),
    source!("benchmarks/demo_fp8_mi300x.sh"),
    source!("benchmarks/demo/tokenizer.json"),
    source!("benchmarks/evals/sums.yaml"),
    source!("benchmarks/evals/sums.jsonl"),
    source!("benchmarks/evals/sums_examples.jsonl"),
    source!("configs/eval-thresholds.yaml"),
    source!("runners/cpu.yaml"),
    source!("runners/demo.yaml"),
    (".github/workflows/benchmark.yml", include_str!("benchmark.yml")),
];

/// The image in this project's configs, measured by the second commit; the first measures [`OLD_IMAGE`].
const NEW_IMAGE: &str = "image: imax-sim:1.1";
const OLD_IMAGE: &str = "image: imax-sim:1.0";

const MASTER_CONFIG: &str = "configs/demo-master.yaml";
const CHANGELOG: &str = "perf-changelog.yaml";

const FIRST_ENTRY: &str = "\
- config-keys:
    - demo-fp8-*-sim
    - demo-fp8-*-sim-b
  description:
    - \"First measurement of two engines on two GPUs\"
  pr-link: https://github.com/example/benchmarks/pull/1

- config-keys:
    - demo-fp8-h100-sim-8k1k
  description:
    - \"First evaluation of accuracy\"
  pr-link: https://github.com/example/benchmarks/pull/1
  evals-only: true
";

const SECOND_ENTRY: &str = "
- config-keys:
    - demo-fp8-*-sim
    - demo-fp8-*-sim-b
  description:
    - \"imax-sim 1.0 -> 1.1: faster decode kernels, a larger scheduling overhead\"
  pr-link: https://github.com/example/benchmarks/pull/2

- config-keys:
    - demo-fp8-h100-sim-8k1k
  description:
    - \"imax-sim 1.0 -> 1.1: is it still as accurate?\"
  pr-link: https://github.com/example/benchmarks/pull/2
  evals-only: true
";

/// A new entry selects points to measure even if no config changes.
const UNCHANGED_ENTRY: &str = "
- config-keys:
    - demo-fp8-*-sim
    - demo-fp8-*-sim-b
  description:
    - \"Measured again without a change\"
  pr-link: https://github.com/example/benchmarks/pull/2
";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondCommit {
    /// Updates the engine.
    NewImage,
    /// Only adds a changelog entry.
    Unchanged,
}

/// Removes the reference to the schema, whose path does not exist in the repository of the demo.
fn without_schema(text: &str) -> &str {
    match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("# yaml-language-server:") => rest,
        Some(_) | None => text,
    }
}

/// A changelog commit of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first entry, with the old image.
    First,
    /// The second entry, with the new image.
    Second,
}

impl Step {
    /// Name of the step's run in the report.
    pub fn title(self) -> &'static str {
        match self {
            Self::First => "first commit",
            Self::Second => "second commit",
        }
    }

    pub fn folder(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
        }
    }
}

/// The repository with the commits made so far.
pub struct DemoRepository {
    folder: PathBuf,
    git: NewRepository,
    newest: String,
    second: SecondCommit,
}

/// Commits before and after the changelog entry of a step.
pub struct Refs {
    pub base: String,
    /// The commit with the entry, which is checked out.
    pub head: String,
}

impl DemoRepository {
    /// Creates the repository without changelog entries.
    pub fn create(folder: &Path, second: SecondCommit) -> Result<Self, Failure> {
        for (path, text) in FILES {
            files::write(&folder.join(path), without_schema(text).as_bytes())?;
        }
        files::write(&folder.join(CHANGELOG), b"")?;
        let git = NewRepository::create(folder)?;
        let newest = git.commit_all("Scaffold: configs, recipes, runner profiles")?;
        Ok(Self {
            folder: folder.to_owned(),
            git,
            newest,
            second,
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn git(&self) -> &NewRepository {
        &self.git
    }

    pub fn check_out_newest(&self) -> Result<(), Failure> {
        Ok(self.git.check_out(&self.newest)?)
    }

    /// Commits the changelog entry and the config of a step.
    pub fn advance(&mut self, step: Step) -> Result<Refs, Failure> {
        let (changelog, image, message) = match (step, self.second) {
            (Step::First, _) => (FIRST_ENTRY.to_owned(), OLD_IMAGE, "Measure two engines on two GPUs"),
            (Step::Second, SecondCommit::NewImage) => (format!("{FIRST_ENTRY}{SECOND_ENTRY}"), NEW_IMAGE, "Update imax-sim to 1.1"),
            (Step::Second, SecondCommit::Unchanged) => (format!("{FIRST_ENTRY}{UNCHANGED_ENTRY}"), OLD_IMAGE, "Measure again"),
        };
        let master = FILES
            .iter()
            .find(|(path, _)| *path == MASTER_CONFIG)
            .map_or("", |(_, text)| without_schema(text));
        for (path, text) in [(MASTER_CONFIG, master.replace(NEW_IMAGE, image)), (CHANGELOG, changelog)] {
            files::write(&self.folder.join(path), text.as_bytes())?;
        }
        let head = self.git.commit_all(message)?;
        let base = std::mem::replace(&mut self.newest, head.clone());
        Ok(Refs { base, head })
    }
}
