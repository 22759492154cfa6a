//! The argument for the settings file.

use std::path::PathBuf;

use clap::Args;

use crate::planning::SettingsFile;

#[derive(Debug, Clone, Default, Args)]
pub(super) struct SettingsArgs {
    /// The repository's settings: policy, regressions, history [default: imax.yaml, if it exists]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

impl From<SettingsArgs> for SettingsFile {
    fn from(args: SettingsArgs) -> Self {
        let SettingsArgs { settings } = args;
        Self { path: settings }
    }
}
