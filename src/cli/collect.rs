//! `imax collect`: a folder of artifacts to the files of a run. With `--compat` and `--compat-evals` it takes the places of
//! collect_results.py and collect_eval_results.py, with their arguments and their outputs.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, ValueEnum};
use globset::{Glob, GlobSet, GlobSetBuilder};

use super::dialect::DialectArg;
use super::gather::{self, Gathered, RESULTS_FILE, RUN_FILE};
use super::{Exit, Failure, OrExit as _, github, output};
use crate::analysis::{HistoryRun, Run, RunDocument};
use crate::github::download_run;
use crate::result::{self, EvalSort, Json, Object};
use crate::store::artifacts;
use crate::store::history;
use crate::system::files;

/// Put the artifacts of a run together: agg_bmk.json, agg_eval_all.json, run_stats.json and run.json.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("original").args(["compat", "compat_evals"])),
    after_help = "Examples:\n  imax collect artifacts/ --plan plan.json --out results/\n  imax collect --run-id 16890123456 --repo octo-org/benchmarks --out results/"
)]
pub struct CollectArgs {
    /// The folder that holds the artifacts, at any depth. With --run-id, where they go [default: imax-artifacts/RUN_ID].
    #[arg(required_unless_present = "run_id")]
    folder: Option<PathBuf>,
    /// With --compat the output is agg_NAME.json in the current folder, with --compat-evals agg_eval_NAME.json.
    #[arg(requires = "original")]
    name: Option<String>,
    /// With --compat-evals: what rows are sorted by first.
    #[arg(requires = "compat_evals", value_enum)]
    sort: Option<SortArg>,
    /// Download the artifacts of this workflow run first. The token comes from GITHUB_TOKEN or GH_TOKEN and needs
    /// `actions: read`. What an earlier, interrupted call has downloaded is kept.
    #[arg(long, value_name = "NUMBER", conflicts_with = "original")]
    run_id: Option<u64>,
    /// The repository of the run, owner/name.
    #[arg(long, visible_alias = "repo", value_name = "REPOSITORY", env = "GITHUB_REPOSITORY")]
    repository: Option<String>,
    /// With --run-id: download only artifacts whose names match one of these globs.
    #[arg(long, value_name = "GLOB", requires = "run_id")]
    artifact: Vec<Glob>,
    /// The search space that imax plan wrote: what is missing from the artifacts is then named [default: the one among the
    /// artifacts of --run-id].
    #[arg(long, value_name = "FILE", conflicts_with = "original")]
    plan: Option<PathBuf>,
    /// Where the files go.
    #[arg(long, value_name = "FOLDER", default_value = ".", conflicts_with = "original")]
    out: PathBuf,
    /// Exit with 1 unless every point was measured.
    #[arg(long, conflicts_with = "original")]
    complete: bool,
    #[command(flatten)]
    history: HistoryArgs,
    /// Do what collect_results.py does: all JSON files into one list.
    #[arg(long, requires = "name")]
    compat: bool,
    /// Do what collect_eval_results.py does.
    #[arg(long, requires = "name")]
    compat_evals: bool,
    /// With --compat-evals: which version of the original is meant.
    #[arg(long, value_enum, default_value_t = DialectArg::Current, requires = "compat_evals")]
    dialect: DialectArg,
}

/// Whether and how the run becomes part of a history.
#[derive(Debug, Args)]
struct HistoryArgs {
    /// Add the run to the history in this folder, which is made where it is missing. Compare before adding: a run that is part of
    /// its own baseline differs from it by less.
    #[arg(long, value_name = "DIR", conflicts_with = "original")]
    history: Option<PathBuf>,
    /// With --history: the newest runs that are kept.
    #[arg(long, value_name = "RUNS", default_value_t = 200)]
    history_keep: usize,
    /// With --history: what was measured.
    #[arg(long, value_name = "SHA", env = "GITHUB_SHA")]
    commit: Option<String>,
    /// With --history: the branch.
    #[arg(long, value_name = "NAME", env = "GITHUB_REF_NAME")]
    branch: Option<String>,
    /// With --history: when it was measured, RFC 3339 [default: now].
    #[arg(long, value_name = "DATE")]
    date: Option<DateTime<Utc>>,
}

impl HistoryArgs {
    /// Adds the run, where that was asked for. A run without a number says nothing about noise and is not added.
    fn add(&self, run: &Run, run_id: Option<u64>) -> Result<(), Failure> {
        let Some(folder) = &self.history else { return Ok(()) };
        if run.measured() == 0 {
            output::say("nothing was measured; the history stays as it is");
            return Ok(());
        }
        let commit = self.commit.as_deref().unwrap_or_default();
        let date = self.date.unwrap_or_else(Utc::now);
        let entry = HistoryRun::new(commit, date, run.clone())
            .context("--history needs to know what was measured, from --commit or GITHUB_SHA")
            .or_exit(Exit::Usage)?;
        let entry = HistoryRun {
            branch: self.branch.clone().filter(|branch| !branch.is_empty()),
            run_id: run_id.map(|id| id.to_string()).or_else(|| std::env::var("GITHUB_RUN_ID").ok()),
            ..entry
        };
        let path = history::append(folder, &entry, self.history_keep).or_exit(Exit::Infrastructure)?;
        output::say(&format!("added to the history: {}", path.display()));
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum SortArg {
    /// The model's short name.
    ModelPrefix,
    /// The hardware.
    Hw,
}

/// Runs the command.
///
/// # Errors
/// Infrastructure where files cannot be read or written; invalid input for a bad plan.
pub fn run(args: &CollectArgs) -> Result<Exit, Failure> {
    let given = || args.folder.clone().unwrap_or_default();
    match &args.name {
        Some(name) if args.compat => compat(&given(), name),
        Some(name) => compat_evals(args, &given(), name),
        None => collect(args),
    }
}

/// The plan as `imax action` uploads it.
const PLAN: &str = "imax-plan/plan.json";

/// Downloads where it is asked for, and gives the folder of artifacts and the plan.
fn artifacts_of(args: &CollectArgs) -> Result<(PathBuf, Option<PathBuf>), Failure> {
    let Some(run) = args.run_id else {
        return Ok((args.folder.clone().unwrap_or_default(), args.plan.clone()));
    };
    let folder = args.folder.clone();
    let folder = folder.unwrap_or_else(|| Path::new("imax-artifacts").join(run.to_string()));
    let globs = globs(&args.artifact).or_exit(Exit::Usage)?;
    let wanted = |name: &str| globs.is_empty() || globs.is_match(name);
    let done = github::talk(args.repository.as_deref(), async |client, repository| {
        download_run(client, repository, run, &folder, &wanted).await
    })?;
    output::say(&format!("{} artifacts downloaded, {} were there", done.fetched, done.kept));
    for name in &done.expired {
        output::say(&format!("artifact {name} is expired; GitHub has removed it"));
    }
    let plan = args.plan.clone().or_else(|| Some(folder.join(PLAN)).filter(|plan| plan.is_file()));
    Ok((folder, plan))
}

fn globs(globs: &[Glob]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(glob.clone());
    }
    set.build()
}

/// Puts the artifacts of a folder together, and writes the run's files into another.
///
/// # Errors
/// As [`run`].
pub fn collect_into(folder: &Path, plan: Option<&Path>, out: &Path) -> Result<(), Failure> {
    let gathered = gather::gather(folder, plan)?;
    let stats = serde_json::to_string_pretty(&gathered.assembly.run.stats()).or_exit(Exit::Infrastructure)?;
    write_all(out, gathered, &stats)
}

fn collect(args: &CollectArgs) -> Result<Exit, Failure> {
    let (folder, plan) = artifacts_of(args)?;
    let gathered = gather::gather(&folder, plan.as_deref())?;
    let run = &gathered.assembly.run;
    for problem in &run.problems {
        output::say(&problem.to_string());
    }
    for (point, failure) in run.failures() {
        output::say(&format!("{}: {} failure: {}", point.key, failure.class.as_str(), failure.reason));
    }
    args.history.add(run, args.run_id)?;
    let complete = run.measured() == run.points.len();
    output::say(&format!("{} of {} points measured", run.measured(), run.points.len()));
    let stats = serde_json::to_string_pretty(&run.stats()).or_exit(Exit::Infrastructure)?;
    write_all(&args.out, gathered, &stats)?;
    output::emit(&format!("{stats}\n"))?;
    Ok(if args.complete && !complete {
        Exit::MeasurementFailed
    } else {
        Exit::Success
    })
}

fn write_all(out: &Path, gathered: Gathered, stats: &str) -> Result<(), Failure> {
    let mut evals = gathered.evals;
    result::sort_eval_rows(&mut evals, EvalSort::default());
    let sources: Vec<PathBuf> = gathered.assembly.sources.iter().map(PathBuf::from).collect();
    let run = RunDocument::of(gathered.assembly.run);
    let write = |name: &str, text: &str| files::write(&out.join(name), text.as_bytes());
    write("agg_eval_all.json", &list_of(evals)).or_exit(Exit::Infrastructure)?;
    write("run_stats.json", &format!("{stats}\n")).or_exit(Exit::Infrastructure)?;
    // The two large ones at the same time. The run is not indented: it is for programs.
    let (results, written) = rayon::join(
        || write_list_of_files(&out.join(RESULTS_FILE), &sources),
        || files::write_with(&out.join(RUN_FILE), |file| Ok(serde_json::to_writer(file, &run)?)),
    );
    results?;
    written.or_exit(Exit::Infrastructure)
}

/// Writes documents as one list, each as it is in its file, so that nothing of a foreign one is lost. Only one of them is in
/// memory at a time: a sweep has many.
fn write_list_of_files(path: &Path, sources: &[PathBuf]) -> Result<(), Failure> {
    let written = files::write_with(path, |file| {
        let mut separator = "[\n";
        for source in sources {
            let text = artifacts::read_text(source).map_err(io::Error::other)?;
            write!(file, "{separator}{}", text.trim())?;
            separator = ",\n";
        }
        file.write_all(if sources.is_empty() { b"[]\n" } else { b"\n]\n" })
    });
    written.or_exit(Exit::Infrastructure)
}

fn list_of(rows: Vec<Object>) -> String {
    let list = Json::List(rows.into_iter().map(Json::Object).collect());
    format!("{}\n", list.to_pretty())
}

fn compat(folder: &Path, name: &str) -> Result<Exit, Failure> {
    let sources = artifacts::json_files(folder).or_exit(Exit::Infrastructure)?;
    for path in &sources {
        let text = artifacts::read_text(path).or_exit(Exit::InvalidInput)?;
        Json::parse(&text)
            .with_context(|| path.display().to_string())
            .or_exit(Exit::InvalidInput)?;
    }
    write_list_of_files(Path::new(&format!("agg_{name}.json")), &sources)?;
    Ok(Exit::Success)
}

fn compat_evals(args: &CollectArgs, folder: &Path, name: &str) -> Result<Exit, Failure> {
    let files = artifacts::json_files(folder).or_exit(Exit::Infrastructure)?;
    let mut rows = Vec::new();
    for set in gather::sets_of_artifacts(folder, &files, args.dialect.into()) {
        rows.extend(set.or_exit(Exit::InvalidInput)?);
    }
    let sort = match args.sort {
        Some(SortArg::Hw) => EvalSort::Hardware,
        Some(SortArg::ModelPrefix) | None => EvalSort::ModelPrefix,
    };
    result::sort_eval_rows(&mut rows, sort);
    let path = PathBuf::from(format!("agg_eval_{name}.json"));
    files::write(&path, list_of(rows).as_bytes()).or_exit(Exit::Infrastructure)?;
    Ok(Exit::Success)
}
