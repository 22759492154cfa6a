//! The flags of `--calibrate-noise`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use crate::cli::bench::noise::NoiseSettings;
use crate::store::hardware::HardwareFiles;
use crate::store::noise_calibration::CalibratedHistory;

#[derive(Debug, Clone, Args)]
pub struct NoiseArgs {
    /// Measure each load N times without any change, each time with other prompts (an A/A test). With --history the runs are added to a
    /// history, so that the first comparison already knows the noise of each point.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..), conflicts_with_all = ["find_max", "sweep"])]
    calibrate_noise: Option<u32>,
    /// With --calibrate-noise: the history to add the runs to; the folder is created if it is missing.
    #[arg(long, value_name = "DIR", requires_all = ["calibrate_noise", "row"])]
    history: Option<PathBuf>,
    /// With --history: number of runs to keep, newest first.
    #[arg(long, value_name = "RUNS", default_value_t = 200)]
    history_keep: usize,
    /// With --history: the matrix row that is measured, a JSON file; the loads must have its concurrencies.
    #[arg(long, value_name = "FILE", requires = "history")]
    row: Option<PathBuf>,
    /// With --history: the commit that is measured.
    #[arg(long, value_name = "SHA", env = "GITHUB_SHA")]
    commit: Option<String>,
    /// With --history: the branch.
    #[arg(long, value_name = "NAME", env = "GITHUB_REF_NAME")]
    branch: Option<String>,
    /// With --history: the hardware facts [default: configs/hardware.yaml, else the built-in file].
    #[arg(long, value_name = "FILE")]
    hardware: Option<PathBuf>,
    /// With --history: the runner file [default: configs/runners.yaml].
    #[arg(long, value_name = "FILE")]
    runner_config: Option<PathBuf>,
}

impl NoiseArgs {
    /// Number of runs of each load; `None` without --calibrate-noise.
    pub(super) fn runs(&self) -> Option<NonZeroU32> {
        self.calibrate_noise.and_then(NonZeroU32::new)
    }

    /// The history that the runs are added to; `None` without --history.
    pub(in crate::cli::bench) fn into_settings(self) -> Option<NoiseSettings> {
        let Self {
            calibrate_noise: _,
            history,
            history_keep,
            row,
            commit,
            branch,
            hardware,
            runner_config,
        } = self;
        let config_files = crate::planning::ConfigFiles {
            runner_file: runner_config,
            ..crate::planning::ConfigFiles::default()
        };
        // clap has checked that both or neither are given.
        let (folder, row) = history.zip(row)?;
        Some(NoiseSettings {
            row,
            hardware: HardwareFiles {
                hardware,
                runners: config_files.runner_file(),
            },
            history: CalibratedHistory {
                folder,
                keep: history_keep,
                commit: commit.unwrap_or_default(),
                branch: branch.filter(|branch| !branch.is_empty()),
            },
        })
    }
}
