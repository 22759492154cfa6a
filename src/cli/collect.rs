//! `imax collect`: collects a folder of artifacts into the files of a run. With `--compat` and `--compat-evals` it replaces
//! collect_results.py and collect_eval_results.py, with the same arguments and output.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, ValueEnum};
use globset::Glob;

use super::bench::table;
use super::dialect::DialectArg;
use super::heartbeat::Heartbeat;
use super::{Exit, Failure, output, terminal};
use crate::analysis::Run;
use crate::github::{self, Downloaded};
use crate::measure::{CollectedShards, collect_shards};
use crate::model::with_causes;
use crate::result::EvalSort;
use crate::store;
use crate::store::collect::{self, HistoryEntry, RunDownload};
use crate::store::history::HistoryFolder;

/// Collect the artifacts of a run into agg_bmk.json, agg_eval_all.json, run_stats.json and run.json.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("original").args(["compat", "compat_evals"])),
    after_help = "Examples:\n  imax collect artifacts/ --plan plan.json --out results/\n  imax collect --run-id 16890123456 --repo octo-org/benchmarks --out results/\n  imax collect shards/ --shards --out results/"
)]
pub struct CollectArgs {
    /// The folder with the artifacts, at any depth. With --run-id, the download folder [default: imax-artifacts/RUN_ID].
    #[arg(required_unless_present = "run_id")]
    folder: Option<PathBuf>,
    /// Name of the output file in the current folder: agg_NAME.json with --compat, agg_eval_NAME.json with --compat-evals.
    #[arg(requires = "original")]
    name: Option<String>,
    /// With --compat-evals: the first sort key of rows.
    #[arg(requires = "compat_evals", value_enum)]
    sort: Option<SortArg>,
    /// Download the artifacts of this workflow run first. The token comes from GITHUB_TOKEN or GH_TOKEN and needs
    /// `actions: read`. An interrupted download is resumed.
    #[arg(long, value_name = "NUMBER", conflicts_with = "original")]
    run_id: Option<u64>,
    /// The repository of the run, owner/name.
    #[arg(long, visible_alias = "repo", value_name = "REPOSITORY", env = "GITHUB_REPOSITORY")]
    repository: Option<String>,
    /// With --run-id: download only artifacts whose names match one of these globs.
    #[arg(long, value_name = "GLOB", requires = "run_id")]
    artifact: Vec<Glob>,
    /// The plan file of imax plan, to report points without results [default: the one among the artifacts of --run-id].
    #[arg(long, value_name = "FILE", conflicts_with = "original")]
    plan: Option<PathBuf>,
    /// The output folder.
    #[arg(long, value_name = "FOLDER", default_value = ".", conflicts_with = "original")]
    out: PathBuf,
    /// Exit with code 1 unless every point was measured.
    #[arg(long, conflicts_with = "original")]
    complete: bool,
    /// Merge the results of `imax bench --shard` in the folder into that of the whole load, a raw result in --out.
    #[arg(long, conflicts_with_all = ["run_id", "plan", "complete", "history", "original"], requires = "folder")]
    shards: bool,
    #[command(flatten)]
    history: HistoryArgs,
    /// Replace collect_results.py: merge all JSON files into one list.
    #[arg(long, requires = "name")]
    compat: bool,
    /// Replace collect_eval_results.py.
    #[arg(long, requires = "name")]
    compat_evals: bool,
    /// With --compat-evals: the version of collect_eval_results.py to replace.
    #[arg(long, value_enum, default_value_t = DialectArg::Current, requires = "compat_evals")]
    dialect: DialectArg,
}

/// The history to which the run is added.
#[derive(Debug, Args)]
struct HistoryArgs {
    /// Add the run to the history in this folder, which is created if it is missing. Compare before: a run that is part of its own
    /// baseline differs less from it.
    #[arg(long, value_name = "DIR", conflicts_with = "original")]
    history: Option<HistoryFolder>,
    /// With --history: number of runs to keep, newest first.
    #[arg(long, value_name = "RUNS", default_value_t = 200)]
    history_keep: usize,
    /// With --history: the commit that was measured.
    #[arg(long, value_name = "SHA", env = "GITHUB_SHA")]
    commit: Option<String>,
    /// With --history: the branch.
    #[arg(long, value_name = "NAME", env = "GITHUB_REF_NAME")]
    branch: Option<String>,
    /// With --history: the date of the measurement, RFC 3339 [default: now].
    #[arg(long, value_name = "DATE")]
    date: Option<DateTime<Utc>>,
}

impl HistoryArgs {
    /// The entry to add; `None` without --history.
    fn into_entry(self, run_id: Option<u64>) -> Option<HistoryEntry> {
        let Self {
            history,
            history_keep,
            commit,
            branch,
            date,
        } = self;
        Some(HistoryEntry {
            folder: history?.0,
            keep: history_keep,
            commit: commit.unwrap_or_default(),
            branch: branch.filter(|branch| !branch.is_empty()),
            run_id: run_id.map(|id| id.to_string()).or_else(|| std::env::var("GITHUB_RUN_ID").ok()),
            date: date.unwrap_or_else(Utc::now),
        })
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

impl From<SortArg> for EvalSort {
    fn from(sort: SortArg) -> Self {
        match sort {
            SortArg::ModelPrefix => Self::ModelPrefix,
            SortArg::Hw => Self::Hardware,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Infrastructure if files cannot be read or written; invalid input for an invalid plan.
pub async fn run(args: CollectArgs) -> Result<Exit, Failure> {
    let CollectArgs {
        folder,
        name,
        sort,
        run_id,
        repository,
        artifact,
        plan,
        out,
        complete,
        shards,
        history,
        compat,
        compat_evals,
        dialect,
    } = args;
    if shards {
        return merge_shards(&folder.unwrap_or_default(), &out);
    }
    if compat || compat_evals {
        // clap has checked that both are given.
        let (folder, name) = (folder.unwrap_or_default(), name.unwrap_or_default());
        if compat {
            collect::compat_results(&folder, Path::new(&format!("agg_{name}.json")))?;
        } else {
            let sort = sort.map_or(EvalSort::ModelPrefix, EvalSort::from);
            collect::compat_evals(&folder, dialect.into(), sort, Path::new(&format!("agg_eval_{name}.json")))?;
        }
        return Ok(Exit::Success);
    }
    let (folder, plan) = match run_id {
        None => (folder.unwrap_or_default(), plan),
        Some(run_id) => {
            let request = RunDownload {
                run_id,
                folder: folder.unwrap_or_else(|| Path::new("imax-artifacts").join(run_id.to_string())),
                names: artifact,
                has_plan: plan.is_some(),
            };
            let downloaded_plan = download(repository.as_deref(), &request).await?;
            (request.folder, plan.or(downloaded_plan))
        }
    };
    let gathered = store::gather(&folder, plan.as_deref())?;
    let run = &gathered.assembly.run;
    say_problems(run);
    if let Some(entry) = history.into_entry(run_id) {
        output::say(&match collect::add_to_history(run, entry)? {
            Some(path) => format!("added to the history: {}", path.display()),
            None => "no point was measured; nothing added to the history".to_owned(),
        });
    }
    let is_complete = run.measured() == run.points.len();
    output::say(&format!("{} of {} points measured", run.measured(), run.points.len()));
    output::emit(&collect::write_run(&out, gathered)?)?;
    Ok(if complete && !is_complete {
        Exit::MeasurementFailed
    } else {
        Exit::Success
    })
}

/// Merges the shards of a load and prints the tables of `imax bench`.
fn merge_shards(folder: &Path, out: &Path) -> Result<Exit, Failure> {
    let CollectedShards { load, path } = collect_shards(folder, out)?;
    let measured = &load.measured;
    for doubt in &measured.doubts {
        output::say(&format!(
            "warning: the result is marked `{}`: {}",
            doubt.code(),
            doubt.explanation()
        ));
    }
    output::say(&format!(
        "{} shards, whose starts are {:.1} ms apart by their own clocks",
        load.shards(),
        load.skew().as_secs_f64() * 1e3
    ));
    output::emit(&table(measured, terminal::stdout_style()))?;
    output::say(&format!("wrote {}", path.display()));
    Ok(if measured.has_failed() {
        Exit::MeasurementFailed
    } else {
        Exit::Success
    })
}

/// Downloads artifacts and returns the path of the plan file among them.
async fn download(repository: Option<&str>, request: &RunDownload) -> Result<Option<PathBuf>, Failure> {
    let (client, repository) = github::connect(repository)?;
    let run = request.run_id;
    let _heartbeat = Heartbeat::start(false, move |elapsed| {
        format!("downloading the artifacts of run {run}: {} s so far", elapsed.as_secs())
    });
    let artifacts = collect::download(&client, &repository, request).await?;
    let Downloaded {
        fetched,
        kept,
        expired,
        refused,
    } = artifacts.downloaded;
    output::say(&format!("artifacts: {fetched} downloaded, {kept} already present"));
    for name in &expired {
        output::say(&format!("artifact {name} has expired, GitHub no longer stores it"));
    }
    for (_, error) in &refused {
        output::say(&format!("warning: {}; its points count as not measured", with_causes(error)));
    }
    Ok(artifacts.plan)
}

fn say_problems(run: &Run) {
    for problem in &run.problems {
        output::say(&problem.to_string());
    }
    for (point, failure) in run.failures() {
        output::say(&format!("{}: {} failure: {}", point.key, failure.class.as_str(), failure.reason));
    }
}
