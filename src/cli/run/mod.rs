//! `imax run`: executes one matrix row on this machine, from a clean start to a clean end, and leaves its results and
//! `job.json` in a folder.

mod attempts;
mod collect;
mod ending;
mod evals;
mod finish;
mod hooks;
mod journal;
mod launching;
mod life;
mod load;
mod points;
mod preflight;
mod prepare;
mod provenance;
mod queue;
mod reap;
mod sampling;
mod self_contained;
mod voice;
mod watch;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::{Exit, Failure, OrExit as _, in_words};
use crate::fleet::job_state::StateFolder;
use crate::fleet::launcher::{Tries, secrets_of};
use crate::git::checkout::Checkout;
use crate::job::{JobRecord, JobSpec, NodeFacts};
use crate::matrix::Row;
use crate::system::cancellation::Cancellation;
use crate::system::ports;
use crate::system::process::adopt_orphans;
pub use evals::EvalOptions;
use finish::Beginning;
use journal::Journal;
use life::Life;
use prepare::Places;
pub(super) use prepare::{profile_of, read_row};
use voice::Voice;

/// Execute one matrix row on this machine.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  imax run --row row.json --out results --runner-name h200-a_0")]
pub struct RunArgs {
    /// File with the row, one JSON object; `-` reads stdin. Without it, IMAX_ROW holds the JSON itself.
    #[arg(long, value_name = "FILE")]
    pub row: Option<PathBuf>,
    /// Folder for the job's files; made where missing.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub out: PathBuf,
    /// Runner profile, instead of the one found by the runner's name; `local` is built in.
    #[arg(long, value_name = "NAME", env = "IMAX_PROFILE")]
    pub profile: Option<String>,
    /// Folder of the recipes.
    #[arg(long, value_name = "DIR", default_value = "benchmarks")]
    pub recipe_dir: PathBuf,
    /// Folder of the runner profiles and launch scripts.
    #[arg(long, value_name = "DIR", default_value = "runners")]
    pub runner_dir: PathBuf,
    /// This runner's name, `<prefix>_<n>`; else this machine's name.
    #[arg(long, value_name = "NAME", env = "RUNNER_NAME")]
    pub runner_name: Option<String>,
    /// Port for the engine; a free one where absent.
    #[arg(long, env = "PORT")]
    pub port: Option<u16>,
    /// Requests to measure for each request under way at once, instead of the profile's number.
    #[arg(long, value_name = "N")]
    pub num_prompts_per_conc: Option<NonZeroU32>,
    /// Warm-up requests for each request under way at once, instead of the profile's number.
    #[arg(long, value_name = "N")]
    pub num_warmups_per_conc: Option<u32>,
    /// Lengths are drawn between this part of the row's lengths and the row's lengths, instead of the profile's number.
    #[arg(long, value_name = "RATIO", env = "RANDOM_RANGE_RATIO", value_parser = ratio)]
    pub random_range_ratio: Option<f64>,
    /// Folder or hub name of the tokenizer, where it is not the model's.
    #[arg(long, value_name = "NAME")]
    pub tokenizer: Option<String>,
    /// Recorded sessions for rows of the agentic-coding scenario, instead of the profile's: a file of JSON lines, or a folder.
    #[arg(long, value_name = "FILE", env = "IMAX_SESSIONS")]
    pub sessions: Option<String>,
    /// Seed of the random prompts; each concurrency has prompts of its own.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub evals: evals::EvalOptions,
    /// Run no row: stop and remove what jobs of ours left whose `imax run` was killed.
    #[arg(long, conflicts_with = "row")]
    pub reap: bool,
    /// With --reap: another machine that shares this folder of states and will not come back; what its jobs left is removed as
    /// far as it can be reached from here.
    #[arg(long, value_name = "NAME", requires = "reap")]
    pub gone_machine: Vec<String>,
    /// Say nothing but what went wrong.
    #[arg(long, short)]
    pub quiet: bool,
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if ratio > 0.0 && ratio <= 1.0 => Ok(ratio),
        Ok(_) | Err(_) => Err("expected a number over 0, up to 1".to_owned()),
    }
}

/// How long `job.json` waits for git to say which commit is checked out.
const GIT_PATIENCE: Duration = Duration::from_secs(5);

/// Runs the command.
///
/// # Errors
/// For a row, profile or recipe that cannot be used, and for a machine on which nothing can be written.
pub fn run(args: &RunArgs) -> Result<Exit, Failure> {
    if args.reap {
        return reap::reap(&args.gone_machine);
    }
    let stop = Cancellation::on_signals().or_exit(Exit::Infrastructure)?;
    let row = prepare::read_row(args.row.as_deref())?;
    let (_, exit) = execute(args, &row, &stop)?;
    Ok(exit)
}

/// Executes a row. The record is that of `job.json`, which is written whatever the end was.
///
/// # Errors
/// For a row, profile or recipe that cannot be used, and for a machine on which nothing can be written.
pub fn execute(args: &RunArgs, row: &Row, stop: &Cancellation) -> Result<(JobRecord, Exit), Failure> {
    let beginning = Beginning::now();
    adopt_orphans().or_exit(Exit::Infrastructure)?;
    let places = Places::of(args)?;
    let checkout = Checkout::look_up(places.repository.clone());
    let runner = prepare::runner_name(args.runner_name.as_deref())?;
    let in_actions = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    let prepare = || -> anyhow::Result<JobSpec> {
        let profile = prepare::profile(args, &runner, &places.runners)?;
        let spec = prepare::job(row.clone(), runner.clone(), profile, &places)?;
        load::check_sessions(&spec)?;
        Ok(spec)
    };
    let spec = match prepare() {
        Ok(spec) => spec,
        Err(error) => {
            let profile = crate::job::RunnerProfile::local();
            checkout.wait(GIT_PATIENCE, stop);
            let commit = checkout.commit();
            let record = finish::record_of_refusal(prepare::new_id(), row, &runner, &profile, commit, in_words(&error), &beginning);
            finish::publish(&record, &places, &Voice::new(in_actions, Vec::new()), &[])?;
            return Ok((record, Exit::InvalidInput));
        }
    };
    let port = match args.port {
        Some(port) => port,
        None => ports::free_port().context("no port is free").or_exit(Exit::Infrastructure)?,
    };
    let environment = prepare::environment(&spec, &places, port);
    let secrets = secrets_of(&environment);
    let voice = Voice::new(in_actions, secrets.clone()).quiet(args.quiet);
    voice.line(&format!("job {}: {} on {}", spec.id, spec.row.curve_key(), spec.runner_name));
    voice.line(&format!("recipe {}: {}", spec.recipe.path, spec.recipe.chosen));
    voice.line(&format!("profile {}, launcher {}", spec.profile.name, spec.profile.launch.name()));
    let life = Life {
        spec: &spec,
        places: &places,
        checkout: &checkout,
        stop,
        voice: &voice,
        environment: &environment,
        secrets: &secrets,
        port,
        seed: args.seed,
        states: &StateFolder::from_environment(),
        journal: Journal::new(spec.profile.deadlines),
        points: Vec::new(),
        served_model: None,
        facts: BTreeMap::new(),
        loaded: Vec::new(),
        sampler: None,
        samples: Vec::new(),
        host_sampler: None,
        host_samples: Vec::new(),
        attempts: Vec::new(),
        pulls: Tries::default(),
        nodes: Vec::new(),
        node: NodeFacts::default(),
        left_behind: false,
        evals: &args.evals,
        eval_plan: None,
        eval_records: Vec::new(),
    };
    let lived = life.live();
    // A job that failed early may be faster than git.
    checkout.wait(GIT_PATIENCE, stop);
    let record = finish::record_of(&spec, checkout.commit(), &environment, lived, &beginning, stop);
    finish::publish(&record, &places, &voice, &secrets)?;
    let exit = finish::exit_of(&record.outcome, stop);
    Ok((record, exit))
}
