//! The arguments for config files.

use std::path::PathBuf;

use clap::Args;

use crate::planning::ConfigFiles;

#[derive(Debug, Clone, Default, Args)]
pub(super) struct ConfigArgs {
    /// Folder of the master configs (`*-master.yaml`) and of `runners.yaml` [default: configs, or .github/configs]
    #[arg(long, value_name = "FOLDER")]
    config_dir: Option<PathBuf>,
    /// Master configs, instead of those of the folder
    #[arg(long, value_name = "FILE", num_args = 1.., alias = "master-config")]
    config_files: Vec<PathBuf>,
    /// The runner file, instead of the folder's
    #[arg(long, value_name = "FILE", alias = "runners-config")]
    runner_config: Option<PathBuf>,
}

impl From<ConfigArgs> for ConfigFiles {
    fn from(args: ConfigArgs) -> Self {
        let ConfigArgs {
            config_dir,
            config_files,
            runner_config,
        } = args;
        Self {
            folder: config_dir,
            master_configs: config_files,
            runner_file: runner_config,
        }
    }
}
