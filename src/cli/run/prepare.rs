//! From the command line to a job: the row, the runner's name, the profile, the recipe, the environment.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::RunArgs;
use crate::cli::{Exit, Failure, OrExit as _};
use crate::job::{EnvironmentInput, JobSpec, ProfileError, ResolveError, RunnerProfile, recipe_environment, resolve};
use crate::matrix::Row;
use crate::model::{JobId, RunnerName, Secret, Variable, VariableValue};
use crate::system::files;
use crate::system::host;

/// The folders of a job, all absolute.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where the job's files go.
    pub out: PathBuf,
    /// The repository, where recipes run.
    pub repository: PathBuf,
    /// Recipes.
    pub recipes: PathBuf,
    /// Runner profiles and launch scripts.
    pub runners: PathBuf,
}

impl Places {
    /// Makes the output folder and finds the others.
    pub(super) fn of(args: &RunArgs) -> Result<Self, Failure> {
        std::fs::create_dir_all(&args.out)
            .with_context(|| format!("cannot make the output folder {}", args.out.display()))
            .or_exit(Exit::Infrastructure)?;
        let absolute = |path: &Path| std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()));
        let places = || -> anyhow::Result<Self> {
            Ok(Self {
                out: absolute(&args.out)?,
                repository: std::env::current_dir().context("cannot find the working folder")?,
                recipes: absolute(&args.recipe_dir)?,
                runners: absolute(&args.runner_dir)?,
            })
        };
        places().or_exit(Exit::Infrastructure)
    }
}

/// Reads the row from its file, from stdin (`-`), or from the environment's `IMAX_ROW`, which holds the JSON itself.
pub fn read_row(row: Option<&Path>) -> Result<Row, Failure> {
    let (name, text) = match row {
        Some(path) if path == Path::new("-") => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text).context("cannot read the row from stdin");
            read.or_exit(Exit::InvalidInput)?;
            ("stdin".to_owned(), text)
        }
        Some(path) => (path.display().to_string(), files::read_text(path).or_exit(Exit::InvalidInput)?),
        None => match std::env::var("IMAX_ROW") {
            Ok(text) if !text.trim().is_empty() => ("IMAX_ROW".to_owned(), text),
            Ok(_) | Err(_) => {
                let missing = anyhow::anyhow!("no row: give a file with --row, or the JSON itself in IMAX_ROW");
                return Err(missing).or_exit(Exit::Usage);
            }
        },
    };
    serde_json::from_str(&text)
        .with_context(|| format!("{name} is not a matrix row"))
        .or_exit(Exit::InvalidInput)
}

/// The runner's own name: as given, or else this machine's.
pub(super) fn runner_name(given: Option<&str>) -> Result<RunnerName, Failure> {
    let name = given.map_or_else(host::host_name, str::to_owned);
    name.parse()
        .context("the runner's name (--runner-name or RUNNER_NAME) cannot be used")
        .or_exit(Exit::InvalidInput)
}

/// The profile that was asked for, or the runner's own, or where the runner has none the built-in one of a machine
/// about which nothing is said.
pub(super) fn profile(args: &RunArgs, runner: &RunnerName, runners: &Path) -> Result<RunnerProfile, ResolveError> {
    let mut profile = load_profile(args.profile.as_deref(), runner, runners)?;
    let load = &mut profile.load;
    load.prompts_per_concurrency = args
        .num_prompts_per_conc
        .map_or(load.prompts_per_concurrency, std::num::NonZeroU32::get);
    load.warmups_per_concurrency = args.num_warmups_per_conc.unwrap_or(load.warmups_per_concurrency);
    load.random_range_ratio = args.random_range_ratio.unwrap_or(load.random_range_ratio);
    if let Some(tokenizer) = &args.tokenizer {
        load.tokenizer = Some(tokenizer.clone());
    }
    if let Some(sessions) = args.sessions.as_ref().filter(|sessions| !sessions.is_empty()) {
        load.sessions = Some(sessions.clone());
    }
    Ok(profile)
}

fn load_profile(name: Option<&str>, runner: &RunnerName, runners: &Path) -> Result<RunnerProfile, ProfileError> {
    let read = |name: &str| files::read_text(&runners.join(name)).ok();
    let folder = runners.display().to_string();
    match name {
        Some("local") if read("local.yaml").is_none() => Ok(RunnerProfile::local()),
        Some(name) => RunnerProfile::load(name, &folder, &read),
        None => RunnerProfile::of_runner(runner, &folder, &read),
    }
}

/// The profile of a node, for those who run no row on it.
pub fn profile_of(name: Option<&str>, runner: Option<&str>, runners: &Path) -> Result<RunnerProfile, Failure> {
    let runner = runner_name(runner)?;
    load_profile(name, &runner, runners).or_exit(Exit::InvalidInput)
}

/// Resolves the row.
pub(super) fn job(row: Row, runner: RunnerName, profile: RunnerProfile, places: &Places) -> Result<JobSpec, ResolveError> {
    let read = |path: &str| files::read_text(&places.recipes.join(path)).ok();
    let folder = places.recipes.display().to_string();
    resolve(new_id(), row, runner, profile, &folder, &read)
}

/// An id that no other job has: the nanosecond and the process.
pub(super) fn new_id() -> JobId {
    let nanoseconds = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    JobId::from_unique((nanoseconds << 22) | u128::from(std::process::id()))
}

/// The whole environment of the engine: what describes the row, what the profile sets and passes on, secrets, and
/// where imax itself is.
pub(super) fn environment(spec: &JobSpec, places: &Places, port: u16) -> Vec<Variable> {
    let own = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut list: Vec<Variable> = Vec::new();
    for name in spec.profile.passed_variables() {
        if let Some(value) = own(name) {
            set(&mut list, Variable::plain(name, value));
        }
    }
    for (name, value) in &spec.profile.environment {
        set(&mut list, Variable::plain(name, value));
    }
    if let Some(cache) = &spec.profile.hf_cache {
        set(&mut list, Variable::plain("HF_HUB_CACHE", cache));
    }
    let described = recipe_environment(EnvironmentInput {
        row: &spec.row,
        conc: spec.highest_conc(),
        runner_name: &spec.runner_name,
        port,
        load: &spec.profile.load,
    });
    described.into_iter().for_each(|variable| set(&mut list, variable));
    let workspace = own("GITHUB_WORKSPACE").unwrap_or_else(|| places.repository.display().to_string());
    set(&mut list, Variable::plain("GITHUB_WORKSPACE", workspace));
    if let Some(tokenizer) = &spec.profile.load.tokenizer {
        set(&mut list, Variable::plain("IMAX_TOKENIZER", tokenizer));
    }
    if let Some(sessions) = &spec.profile.load.sessions {
        set(&mut list, Variable::plain("IMAX_SESSIONS", sessions));
    }
    set(
        &mut list,
        Variable::plain("IMAX_READY_DEADLINE", spec.profile.deadlines.ready.to_string()),
    );
    set(&mut list, Variable::plain("IMAX_OUT", places.out.display().to_string()));
    if spec.row.is_agentic() {
        set(&mut list, Variable::plain("RESULT_DIR", places.out.display().to_string()));
    }
    if let Ok(binary) = std::env::current_exe() {
        if let Some(folder) = binary.parent() {
            let path = own("PATH").map_or_else(|| folder.display().to_string(), |path| format!("{}:{path}", folder.display()));
            set(&mut list, Variable::plain("PATH", path));
        }
        set(&mut list, Variable::plain("IMAX_BIN", binary.display().to_string()));
    }
    for name in &spec.profile.secrets {
        if let Some(value) = own(name) {
            set(&mut list, Variable::secret(name, Secret::new(value)));
        }
    }
    list
}

/// A later value of a name takes the place of an earlier one, but a secret stays a secret.
fn set(list: &mut Vec<Variable>, variable: Variable) {
    match list.iter_mut().find(|known| known.name == variable.name) {
        Some(known) => match (&known.value, &variable.value) {
            (VariableValue::Secret(_), VariableValue::Plain(text)) => known.value = VariableValue::Secret(Secret::new(text.clone())),
            (VariableValue::Plain(_), _) | (VariableValue::Secret(_), VariableValue::Secret(_)) => known.value = variable.value,
        },
        None => list.push(variable),
    }
}
