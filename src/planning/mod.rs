//! Planning: from a change of the changelog, or a GitHub event, to the jobs to run (`imax plan`). Beside it, the checks and
//! edits of the files that plans are made from (`imax check`, `imax changelog`).

mod approve;
mod artifact_names;
mod change;
pub(crate) mod changelog_edit;
mod changelog_files;
pub(crate) mod check;
mod config_files;
mod durations;
mod earlier_run;
mod entry_lines;
mod event;
mod event_facts;
mod generator;
mod plan;
mod priorities;
mod publish;
mod reuse;
mod reused_run;
mod runner_fit;
mod runner_fleet;
mod settings_file;
mod source_file;
mod validate;

pub(crate) use approve::{ApproveError, ApproveRequest, approve};
pub(crate) use artifact_names::{
    AGENTIC_PREFIX, COLLECTED_ARTIFACT, EVAL_PREFIX, JOB_PREFIX, PLAN_ARTIFACT, PLAN_FILE, PROFILE_PREFIX, RESULT_PREFIX, RESULTS_ARTIFACT,
};
pub(crate) use change::ChangeError;
pub(crate) use changelog_files::{ChangelogFiles, ChangelogFilesError};
pub(crate) use config_files::{ConfigFiles, ConfigFilesError};
pub(crate) use earlier_run::EarlierRunError;
pub(crate) use entry_lines::entry_lines;
pub(crate) use event_facts::EventFactsError;
pub(crate) use generator::{GeneratorError, GeneratorRequest};
pub(crate) use plan::{
    ChangedFiles, EventTrigger, KeysTrigger, PlanRequest, PlanResult, PlanningError, RefsTrigger, Trigger, between, plan,
};
pub(crate) use publish::{NoRun, PublishError, PublishOptions, Published, publish, publish_no_run};
pub(crate) use reuse::ReuseError;
pub(crate) use runner_fit::{WrongRunner, check_runner};
pub(crate) use runner_fleet::{RunnerFleet, RunnerFleetError, runner_fleet};
pub(crate) use settings_file::{JudgingSettings, SettingsFile, SettingsFileError};
pub(crate) use validate::{ValidateRequest, Validated, validate};

/// Receives the warnings of a use case that continues.
pub(crate) type Warn<'a> = &'a dyn Fn(&str);
