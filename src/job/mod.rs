//! Jobs: a matrix row resolved against recipe and runner profile into a [`JobSpec`], which can be passed between machines as JSON, and the
//! outcome of its execution. Everything here is a value; `fleet::launcher` and `execution` execute it.

mod deadline;
mod diagnosis;
mod engine_version;
mod environment;
mod explain;
mod file_name;
mod load_marker;
mod multi_node;
mod node;
mod outcome;
mod profile;
mod recipe;
mod record;
mod resolve;
mod retry;
mod srt_slurm;
mod telemetry;
mod trace;

pub use crate::model::FailureClass;
pub use deadline::{Deadlines, Phase, PhaseTime};
pub use diagnosis::{KnownCause, diagnose, error_lines};
pub use engine_version::{VERSION_PATHS, version_in_answer, version_in_log};
pub use environment::{EnvironmentInput, recipe_environment};
pub use explain::{CandidateState, ProfileChoice, RecipeChoice, profile_choices, recipe_choices};
pub use file_name::{NameSubject, common_file_name, result_file_name};
pub use load_marker::begins_load;
pub use node::{
    Cache, Disk, Finding, Gpu, GpuProblem, GpuUse, Grade, HubFacts, Leftovers, NodeFacts, PortFact, Service, Wanted, check_idle,
    check_node, visible_gpus, worst,
};
pub use outcome::{JobFailure, Outcome};
pub use profile::{
    GpuVendor, LaunchRules, LaunchSettings, Launchers, LoadSettings, NodeSettings, NodesByRole, ProfileError, ProfileHead, RunnerProfile,
    ScrapeUrl, SettingsError, profile_schema,
};
pub(crate) use profile::{merged, section_value, typed_section};
pub use recipe::{Recipe, RecipeError, RecipeStyle, choose_recipe, recipe_names};
pub use record::{EvalRecord, JobRecord, PhaseEnding, PhaseRecord, PointRecord, Provenance, RECORD_SCHEMA};
pub use resolve::{JobPoint, JobSpec, ResolveError, resolve};
pub use retry::{Attempt, Retries, Tried};
pub use telemetry::{
    Energy, EnergyDoubt, GpuSample, GpuUsage, HostSample, HostUse, Load, PackageExpectation, PowerPackage, RoleEnergy, RoleNodes, energy,
    gpu_usage, host_csv, host_use, metrics_csv, package_energy, read_metrics_csv, requires_power, role_energy, sampled_until,
};
pub use trace::{TORCH_PROFILER_FOLDERS, TRACE_FOLDER, TraceRecord, is_trace, trace_file};
