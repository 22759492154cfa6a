//! The demo's benchmark repository: the configs, recipes and profiles of this project in a git repository of their own, with the two
//! changelog commits that the demo measures.

use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::git::commit::NewRepository;
use crate::system::files;

macro_rules! source {
    ($path:literal) => {
        ($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path)))
    };
}

/// Files of this project that form a benchmark repository. They are compiled in, so that the demo needs nothing but the binary.
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

/// The first commit measures the old image, the second the new one, which is in this project's configs.
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

/// An entry asks for measurements whatever it says.
const UNCHANGED_ENTRY: &str = "
- config-keys:
    - demo-fp8-*-sim
    - demo-fp8-*-sim-b
  description:
    - \"Measured again without a change\"
  pr-link: https://github.com/example/benchmarks/pull/2
";

/// What the second commit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondCommit {
    /// It updates the engine.
    NewImage,
    /// Nothing but to ask for measurements.
    Unchanged,
}

/// The schema's path is relative to this project's configs and does not exist in the demo's repository.
fn without_schema(text: &str) -> &str {
    match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("# yaml-language-server:") => rest,
        Some(_) | None => text,
    }
}

/// A step of the demo's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first changelog entry, with the old image.
    First,
    /// The second entry, with the new image.
    Second,
}

impl Step {
    /// The title of its run in the report.
    pub fn title(self) -> &'static str {
        match self {
            Self::First => "first commit",
            Self::Second => "second commit",
        }
    }

    /// The folder of this step's files.
    pub fn folder(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
        }
    }
}

/// The repository, with the commits that the demo has made so far.
pub struct DemoRepository {
    folder: PathBuf,
    git: NewRepository,
    newest: String,
    second: SecondCommit,
}

/// The commits before and after a step's changelog entry.
pub struct Refs {
    /// The commit before.
    pub base: String,
    /// The commit with the entry; the files in the folder are this commit's.
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

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The git repository.
    pub fn git(&self) -> &NewRepository {
        &self.git
    }

    /// Makes the files those of the newest commit.
    pub fn check_out_newest(&self) -> Result<(), Failure> {
        Ok(self.git.check_out(&self.newest)?)
    }

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
        let write = |path: &str, text: &str| files::write(&self.folder.join(path), text.as_bytes());
        write(MASTER_CONFIG, &master.replace(NEW_IMAGE, image))?;
        write(CHANGELOG, &changelog)?;
        let head = self.git.commit_all(message)?;
        let base = std::mem::replace(&mut self.newest, head.clone());
        Ok(Refs { base, head })
    }
}
