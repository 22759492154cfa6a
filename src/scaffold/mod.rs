//! Scaffolding: finds out what a machine has and writes the files of a benchmark repository (`imax init`).

mod answers;
mod choose;
mod files;
mod machine;
mod naming;
mod write;

pub(crate) use answers::{Answers, EngineKind, LauncherWish, SweepTrigger, Wishes};
pub(crate) use choose::{ChooseError, check_name, choose, endpoint_url, has_gpus, small_model, usual_hardware, usual_launcher};
pub(crate) use files::{ScaffoldError, ScaffoldFile, files_of};
pub(crate) use machine::{Machine, examine_machine};
pub(crate) use naming::model_prefix;
pub(crate) use write::{WriteError, existing, write_files};
