//! Resolution of a row, a runner name, a profile and the recipe folder into a [`JobSpec`]. Unsupported rows are refused here, before
//! anything is started.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::NO_IMAGE;
use crate::matrix::{Row, Scenario};
use crate::model::{Concurrency, JobId, Profiler, RunnerName};

use super::deadline::recipe_deadline;
use super::profile::launcher_named;
use super::{
    LaunchRules, Launchers, NameSubject, NodesByRole, PhaseTime, ProfileError, Recipe, RecipeError, RecipeStyle, RunnerProfile,
    choose_recipe, result_file_name,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobSpec {
    pub id: JobId,
    pub row: Row,
    pub runner_name: RunnerName,
    pub profile: RunnerProfile,
    /// Absent for a launcher that starts nothing.
    pub recipe: Option<Recipe>,
    /// Nodes of each role, for a row over several nodes.
    pub nodes: Option<NodesByRole>,
}

/// A point of the job: one concurrency and the common name of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPoint {
    /// Concurrent requests.
    pub conc: Concurrency,
    /// The common name of its files.
    pub result_filename: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No sessions are configured.
    #[error(
        "row asks for the agentic-coding scenario, and recipe {path} only starts an engine, but no recorded sessions to load it with are named; \
         name a file of them in `load.sessions` of runner profile {profile} or with --sessions, or let the recipe take in benchmark_lib.sh and do \
         its own load"
    )]
    NoSessions { path: String, profile: String },
    /// The load's duration is zero or beyond its deadline.
    #[error(
        "row has `duration: {found}`, expected at least 1 s and less than `deadlines.load` of runner profile {profile}, which is {deadline}; \
         raise that where the load shall be so long"
    )]
    Duration {
        /// The row's duration, seconds.
        found: u64,
        profile: String,
        deadline: PhaseTime,
    },
    /// Several nodes need a scheduler.
    #[error(
        "row asks for several nodes (prefill and decode workers), but profile {profile} has `launcher: {launcher}`; use one that has nodes: \
         {capable}"
    )]
    SeveralNodes {
        profile: String,
        launcher: String,
        /// The launchers that can.
        capable: String,
    },
    /// Only a launch script hands such a recipe to srt-slurm.
    #[error(
        "recipe {path} is one of srt-slurm, which `launcher: {launcher}` of profile {profile} does not start; use a launch script, or write a \
         recipe that is one: multi_node/*.sh"
    )]
    NoScript { path: String, profile: String, launcher: String },
    /// The row does not fit the launcher's nodes.
    #[error("{0}")]
    DoesNotFit(String),
    /// There is no recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A self-contained script measures one concurrency per start.
    #[error("recipe {path} does its own load and so measures one concurrency a start, but the row has {found}; give each its own row")]
    SelfContainedGroup { path: String, found: usize },
    /// The engine cannot be profiled in this way.
    #[error("row is profiled, and {0}")]
    Unprofiled(String),
    /// Repeated concurrencies would write the same files twice.
    #[error("row has concurrency {conc} twice; each may stand once")]
    RepeatedConcurrency { conc: Concurrency },
}

impl JobSpec {
    /// Whether imax or the recipe waits for the engine and runs the load. Without a recipe imax does.
    #[must_use]
    pub fn recipe_style(&self) -> RecipeStyle {
        self.recipe.as_ref().map_or(RecipeStyle::EngineOnly, |recipe| recipe.style)
    }

    /// The command that starts the recipe at `path`, under the profiler that the profile names for profiled rows.
    #[must_use]
    pub fn recipe_command(&self, path: String) -> Vec<String> {
        let command = ["bash".to_owned(), path];
        if self.row.profile {
            self.profile.profiler.around(command)
        } else {
            command.to_vec()
        }
    }

    /// Path of the recipe below the recipe folder; empty without one, which only occurs for launchers that run no recipe.
    #[must_use]
    pub fn recipe_path(&self) -> &str {
        self.recipe.as_ref().map_or("", |recipe| recipe.path.as_str())
    }

    /// How long a recipe that measures itself may take, from its start to its exit.
    #[must_use]
    pub fn recipe_deadline(&self) -> PhaseTime {
        let own = self.profile.deadlines.recipe;
        own.unwrap_or_else(|| recipe_deadline(self.row.layout.is_multi_node(), self.row.is_agentic()))
    }

    /// The highest concurrency of the job, which the engine must support.
    #[must_use]
    pub fn highest_conc(&self) -> Concurrency {
        self.row.conc.as_slice().iter().copied().max().unwrap_or(Concurrency::MIN)
    }

    /// The points of the job, in the order in which they are measured.
    #[must_use]
    pub fn points(&self) -> Vec<JobPoint> {
        self.row
            .conc
            .as_slice()
            .iter()
            .map(|conc| JobPoint {
                conc: *conc,
                result_filename: result_file_name(NameSubject {
                    row: &self.row,
                    conc: *conc,
                    runner_name: &self.runner_name,
                }),
            })
            .collect()
    }
}

/// Resolves a row. `read_recipe` returns the text of a file in the recipe folder, if it exists.
///
/// # Errors
/// If the row is not supported, or there is no recipe for it.
pub fn resolve(
    id: JobId,
    row: Row,
    runner_name: RunnerName,
    profile: RunnerProfile,
    recipe_folder: &str,
    read_recipe: &dyn Fn(&str) -> Option<String>,
    launchers: Launchers<'_>,
) -> Result<JobSpec, ResolveError> {
    refuse_repeated(&row)?;
    refuse_unprofiled(&row, &profile, launchers)?;
    let nodes = nodes_of_row(&row, &profile, launchers)?;
    let launcher = launcher_named(launchers, profile.launch.name());
    let recipe = launcher
        .is_none_or(LaunchRules::needs_recipe)
        .then(|| choose_recipe(&row, recipe_folder, read_recipe, &sha256_hex))
        .transpose()?;
    // Nobody but the script that allocated the nodes can reach them, whatever the recipe's text looks like.
    let measures_itself = row.layout.is_multi_node() && launcher.is_some_and(LaunchRules::allocates_nodes);
    let recipe = match recipe {
        Some(recipe) if measures_itself => Some(Recipe {
            style: RecipeStyle::SelfContained,
            ..recipe
        }),
        Some(recipe) if !recipe.is_script() => {
            return Err(ResolveError::NoScript {
                path: recipe.path,
                launcher: profile.launch.name().to_owned(),
                profile: profile.name,
            });
        }
        recipe => recipe,
    };
    match &recipe {
        // A recipe over several nodes gets all of them, see `CONC_LIST`.
        Some(Recipe {
            style: RecipeStyle::SelfContained,
            path,
            ..
        }) if row.conc.as_slice().len() > 1 && !row.layout.is_multi_node() => {
            return Err(ResolveError::SelfContainedGroup {
                path: path.clone(),
                found: row.conc.as_slice().len(),
            });
        }
        Some(Recipe {
            style: RecipeStyle::SelfContained,
            ..
        }) => {}
        Some(Recipe {
            style: RecipeStyle::EngineOnly,
            path,
            ..
        }) => refuse_unloadable(&row, &profile, Some(path))?,
        None => refuse_unloadable(&row, &profile, None)?,
    }
    Ok(JobSpec {
        id,
        row,
        runner_name,
        profile,
        recipe,
        nodes,
    })
}

/// A row of recorded sessions needs sessions and a duration within the deadline, unless it is only evaluated.
fn refuse_unloadable(row: &Row, profile: &RunnerProfile, recipe: Option<&str>) -> Result<(), ResolveError> {
    let duration_s = match row.scenario {
        Scenario::FixedSeqLen { .. } => return Ok(()),
        Scenario::AgenticCoding { .. } if row.is_evaluated_alone() => return Ok(()),
        Scenario::AgenticCoding { duration_s, .. } => duration_s,
    };
    if profile.load.sessions.is_none() {
        return Err(ResolveError::NoSessions {
            path: recipe.unwrap_or("(none)").to_owned(),
            profile: profile.name.clone(),
        });
    }
    let deadline = profile.deadlines.load;
    if duration_s == 0 || Duration::from_secs(duration_s) >= deadline.duration() {
        return Err(ResolveError::Duration {
            found: duration_s,
            profile: profile.name.clone(),
            deadline,
        });
    }
    Ok(())
}

/// Several nodes need a scheduler, and its nodes must be large enough for the row.
fn nodes_of_row(row: &Row, profile: &RunnerProfile, launchers: Launchers<'_>) -> Result<Option<NodesByRole>, ResolveError> {
    let name = profile.launch.name();
    let launcher = launcher_named(launchers, name);
    if row.layout.is_multi_node() && !launcher.is_some_and(has_nodes) {
        let capable = launchers.iter().filter(|launcher| has_nodes(**launcher));
        let capable: Vec<String> = capable.map(|launcher| format!("`launcher: {}`", launcher.name())).collect();
        return Err(ResolveError::SeveralNodes {
            profile: profile.name.clone(),
            launcher: name.to_owned(),
            capable: capable.join(", "),
        });
    }
    match launcher {
        Some(launcher) if row.image.as_str() == NO_IMAGE && launcher.needs_image(&profile.launch) => {
            Err(ResolveError::DoesNotFit(format!(
                "the row has no image, and launcher {} starts containers; add `image` to the config entry",
                launcher.name()
            )))
        }
        Some(launcher) => launcher.nodes_of_row(&profile.launch, row).map_err(ResolveError::DoesNotFit),
        None => Ok(None),
    }
}

/// Whether a launcher's jobs may span nodes.
fn has_nodes(launcher: &dyn LaunchRules) -> bool {
    launcher.has_scheduler() || launcher.allocates_nodes()
}

/// The traces must be written where the job finds them, and by the tool that the profile names.
fn refuse_unprofiled(row: &Row, profile: &RunnerProfile, launchers: Launchers<'_>) -> Result<(), ResolveError> {
    if !row.profile {
        return Ok(());
    }
    let name = profile.launch.name();
    let launcher = launcher_named(launchers, name);
    let problem = if row.is_evaluated_alone() {
        "it is only evaluated, and a profiler runs during a load; leave one of the two out".to_owned()
    } else if row.layout.is_multi_node() {
        "it runs over several nodes, where the router passes no request on to the engines' profilers; profile a row on one node".to_owned()
    } else if let Some(seconds) = traced_too_long(row) {
        format!(
            "its load lasts {seconds} s, and traces grow with each step of the engine; give it a `duration` of at most {LONGEST_TRACED_S} s"
        )
    } else if launcher.is_some_and(|launcher| !launcher.needs_recipe()) {
        format!(
            "`launcher: {name}` of profile {} loads a server that runs already, whose traces stay where it writes them; profile it with \
             imax bench --profile, or use a launcher that starts the engine",
            profile.name
        )
    } else {
        match profile.profiler.tool {
            Profiler::Torch => return Ok(()),
            Profiler::Nsys if profile.is_launch_script() => format!(
                "`profiler: {{ tool: nsys }}` of profile {} is around the one recipe that starts the engine, which is elsewhere here; use \
                 `tool: torch`, or start the engine under nsys in the script",
                profile.name
            ),
            Profiler::Nsys if row.conc.as_slice().len() > 1 => {
                "Nsight Systems may write a report after its load has ended, so that reports of several concurrencies cannot be told from each \
                 other; profile one concurrency a row"
                    .to_owned()
            }
            Profiler::Nsys => return Ok(()),
        }
    };
    Err(ResolveError::Unprofiled(problem))
}

/// The longest load that is profiled, seconds. PyTorch's traces grow by about a GB a minute and rank.
const LONGEST_TRACED_S: u64 = 120;

fn traced_too_long(row: &Row) -> Option<u64> {
    match row.scenario {
        Scenario::FixedSeqLen { .. } => None,
        Scenario::AgenticCoding { duration_s, .. } => Some(duration_s).filter(|seconds| *seconds > LONGEST_TRACED_S),
    }
}

fn refuse_repeated(row: &Row) -> Result<(), ResolveError> {
    let concs = row.conc.as_slice();
    let repeated = concs
        .iter()
        .enumerate()
        .find(|(at, conc)| concs.iter().take(*at).any(|earlier| earlier == *conc));
    match repeated {
        Some((_, conc)) => Err(ResolveError::RepeatedConcurrency { conc: *conc }),
        None => Ok(()),
    }
}

fn sha256_hex(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::profile::ProfilerSettings;
    use serde_json::{Value, json};

    fn document() -> Value {
        json!({
            "image": "i", "model": "m", "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "h100", "isl": 64,
            "osl": 16, "tp": 1, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": 2, "max-model-len": 128, "exp-name": "e"
        })
    }

    fn resolve_with(document: Value, recipe: &str) -> Result<JobSpec, ResolveError> {
        resolve_on(RunnerProfile::local(), document, recipe)
    }

    fn resolve_on(profile: RunnerProfile, document: Value, recipe: &str) -> Result<JobSpec, ResolveError> {
        let row = serde_json::from_value(document).unwrap();
        let read = |path: &str| path.ends_with("demo_fp8_h100_sim.sh").then(|| recipe.to_owned());
        let runner = "h100-a_0".parse().unwrap();
        resolve(JobId::from_unique(7), row, runner, profile, "benchmarks", &read, &[])
    }

    #[test]
    fn group_has_one_start_and_a_result_file_for_each_concurrency() {
        let mut group = document();
        group["conc"] = json!([4, 1, 2]);
        let spec = resolve_with(group, "exec engine").unwrap();
        assert_eq!(spec.highest_conc().get(), 4);
        let names: Vec<String> = spec.points().into_iter().map(|point| point.result_filename).collect();
        assert_eq!(names.len(), 3);
        assert!(names[0].contains("_conc4_") && names[1].contains("_conc1_"), "{names:?}");
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<JobSpec>(&json).unwrap(), spec);
    }

    #[test]
    fn unsupported_rows_are_refused() {
        let mut repeated = document();
        repeated["conc"] = json!([2, 4, 2]);
        let mut group = document();
        group["conc"] = json!([2, 4]);
        let self_contained = "source ./benchmark_lib.sh";
        for (row, recipe, message) in [
            (repeated, "x", "concurrency 2 twice"),
            (group, self_contained, "give each its own row"),
        ] {
            let error = resolve_with(row, recipe).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn profiled_rows_need_a_load_and_an_engine_that_the_tool_reaches() {
        let mut profiled = document();
        profiled["profile"] = json!(true);
        let mut nsys = RunnerProfile::local();
        nsys.profiler = ProfilerSettings {
            tool: Profiler::Nsys,
            arguments: vec!["--trace=cuda".to_owned()],
        };
        let spec = resolve_on(nsys.clone(), profiled.clone(), "exec engine").unwrap();
        let command = spec.recipe_command("r.sh".to_owned()).join(" ");
        assert!(
            command.starts_with("nsys profile --output=%q{IMAX_OUT}/.imax-traces/") && command.ends_with(" --trace=cuda bash r.sh"),
            "{command}"
        );
        let plain = resolve_on(nsys, document(), "exec engine").unwrap();
        assert_eq!(plain.recipe_command("r.sh".to_owned()), ["bash", "r.sh"]);
        let torch = resolve_with(profiled.clone(), "exec engine").unwrap();
        assert_eq!(torch.recipe_command("r.sh".to_owned()), ["bash", "r.sh"]);
        let mut node_group = profiled.clone();
        let keys = node_group.as_object_mut().unwrap();
        ["tp", "ep", "dp-attn"].iter().for_each(|key| drop(keys.remove(*key)));
        let workers = json!({ "num-worker": 1, "tp": 1, "ep": 1, "dp-attn": false });
        keys.extend([("prefill".to_owned(), workers.clone()), ("decode".to_owned(), workers)]);
        let error = resolve_with(node_group, "exec engine").unwrap_err().to_string();
        assert!(error.contains("several nodes"), "{error}");
        profiled["eval-only"] = json!(true);
        let error = resolve_with(profiled, "exec engine").unwrap_err().to_string();
        assert!(error.contains("only evaluated"), "{error}");
    }

    #[test]
    fn agentic_row_needs_sessions_and_time_for_them() {
        let mut agentic = document();
        let keys = agentic.as_object_mut().unwrap();
        ["isl", "osl", "max-model-len"].iter().for_each(|key| drop(keys.remove(*key)));
        keys.extend(
            json!({ "scenario-type": "agentic-coding", "kv-offloading": "none", "total-cpu-dram-gb": 0, "duration": 60 })
                .as_object()
                .unwrap()
                .clone(),
        );
        let mut with_sessions = RunnerProfile::local();
        with_sessions.load.sessions = Some("sessions.jsonl".to_owned());
        let refusal =
            |profile: &RunnerProfile, row: &Value| resolve_on(profile.clone(), row.clone(), "exec engine").unwrap_err().to_string();
        assert!(resolve_on(with_sessions.clone(), agentic.clone(), "exec engine").is_ok());
        let missing = refusal(&RunnerProfile::local(), &agentic);
        assert!(
            missing.contains("`load.sessions` of runner profile local or with --sessions"),
            "{missing}"
        );
        assert!(resolve_on(RunnerProfile::local(), agentic.clone(), "source ./benchmark_lib.sh").is_ok());
        for duration in [0, 7200] {
            agentic["duration"] = json!(duration);
            let invalid = refusal(&with_sessions, &agentic);
            assert!(
                invalid.contains(&format!("row has `duration: {duration}`")) && invalid.contains("which is 2h"),
                "{invalid}"
            );
        }
        // An evaluation without measurement needs no load.
        agentic["eval-only"] = json!(true);
        agentic["run-eval"] = json!(true);
        assert!(resolve_on(RunnerProfile::local(), agentic, "exec engine").is_ok());
    }
}
