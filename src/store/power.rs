//! Power and energy of results that imax did not measure: from the table that the recipe's monitor wrote, and over
//! several nodes from srt-slurm's power package, as process_result.py does through aggregate_power.py.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::artifacts;
use crate::job::{
    Energy, GpuSample, Load, PackageExpectation, PowerPackage, RoleEnergy, energy, gpu_usage, package_energy, read_metrics_csv,
    requires_power,
};
use crate::result::{Conditions, Gpus, Json, PointContext, Power, RolePower};
use crate::system::files::{self, FileError};
use crate::system::host;

/// A package has one window for each load.
const MAX_WINDOWS: usize = 1000;

/// Sources of power, and whether a result without power is a failure.
#[derive(Debug, Clone, Default)]
pub(crate) struct PowerSources {
    /// Tables of samples; the first one that exists is used.
    pub tables: Vec<PathBuf>,
    /// Folders of srt-slurm's package; the first one that exists is used.
    pub packages: Vec<PathBuf>,
    /// The commit of srt-slurm that may have written the package.
    pub producer: Option<String>,
    pub required: bool,
}

/// The power of a load, or why it is unknown.
#[derive(Debug)]
pub(crate) struct MeasuredPower {
    /// The examined sources.
    pub source: PathBuf,
    pub power: Option<Power>,
    pub conditions: Conditions,
    /// Codes for why it is unknown, those of aggregate_power.py.
    pub reasons: Vec<String>,
    /// GPUs that the telemetry should include.
    pub gpus: u64,
}

impl PowerSources {
    /// The sources that process_result.py examines.
    pub(crate) fn from_environment(lookup: &impl Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let own = ["gpu_metrics.csv", "/workspace/gpu_metrics.csv"].map(PathBuf::from);
        Self {
            tables: given("GPU_METRICS_CSV").map(PathBuf::from).into_iter().chain(own).collect(),
            packages: vec![given("POWER_ARTIFACT_DIR").map_or_else(|| PathBuf::from("LOGS/power"), PathBuf::from)],
            producer: given("POWER_PRODUCER_SHA"),
            required: is_required(lookup),
        }
    }

    /// The sources next to a raw result, which may be a folder of srt-slurm.
    pub(crate) fn beside(raw: &Path, lookup: &impl Fn(&str) -> Option<String>) -> Self {
        let folder = if raw.is_dir() { raw } else { raw.parent().unwrap_or(Path::new("")) };
        let mut packages = vec![folder.join("power")];
        packages.extend(folder.parent().map(|parent| parent.join("power")));
        Self {
            tables: vec![folder.join("gpu_metrics.csv")],
            packages,
            producer: lookup("POWER_PRODUCER_SHA").filter(|value| !value.is_empty()),
            required: is_required(lookup),
        }
    }

    /// The power of the load with this raw result.
    pub(crate) fn measure(&self, raw: &Json, context: &PointContext) -> MeasuredPower {
        let mut measured = match context.gpus {
            Gpus::Together(gpus) => self.of_table(raw, gpus),
            Gpus::Apart { prefill, decode } => self.of_package(raw, prefill, decode),
        };
        let counts = [
            ("completed", "invalid_successful_query_count"),
            ("total_input_tokens", "invalid_input_token_count"),
            ("total_output_tokens", "invalid_output_token_count"),
        ];
        for (key, code) in counts {
            if raw.get(key).and_then(Json::as_number).is_none_or(|count| count <= 0.0) {
                measured.add(code);
            }
        }
        if !measured.reasons.is_empty() {
            measured.power = None;
        }
        measured
    }

    fn of_table(&self, raw: &Json, gpus: u64) -> MeasuredPower {
        let source = first_that(&self.tables, Path::is_file);
        let mut measured = MeasuredPower::unknown(source, gpus);
        let Some(load) = load_of(raw, gpus) else {
            return measured.because("invalid_benchmark_window");
        };
        if !measured.source.is_file() {
            return measured.because("telemetry_file_missing");
        }
        let Ok(text) = artifacts::read_text(&measured.source) else {
            return measured.because("telemetry_file_unreadable");
        };
        let samples = match read_metrics_csv(&text, &host::local_unix_s) {
            Ok(samples) => samples,
            Err(error) => return measured.because(error.code()),
        };
        measured.conditions = conditions(&samples, load);
        match energy(&samples, load) {
            Energy::Unknown { reason } => measured.because(reason.power_code()),
            Energy::Measured { joules, gpus, .. } => {
                measured.power = power(joules, gpus, load, None);
                measured
            }
        }
    }

    fn of_package(&self, raw: &Json, prefill: u64, decode: u64) -> MeasuredPower {
        let source = first_that(&self.packages, Path::is_dir);
        let mut measured = MeasuredPower::unknown(source, prefill + decode);
        let conc = raw.get("max_concurrency").and_then(Json::as_number).and_then(whole);
        let (Some(load), Some(conc)) = (load_of(raw, prefill + decode), conc) else {
            return measured.because("invalid_benchmark_window");
        };
        let package = match read_package(&measured.source) {
            Ok(package) => package,
            Err(code) => return measured.because(code),
        };
        let expected = PackageExpectation {
            load,
            prefill_gpus: prefill,
            decode_gpus: decode,
            conc,
            producer: self.producer.as_deref(),
        };
        match package_energy(&package, expected) {
            Ok(found) => {
                measured.power = power(found.joules, found.gpus, load, found.roles);
                measured
            }
            Err(reasons) => {
                measured.reasons = reasons.into_iter().map(str::to_owned).collect();
                measured
            }
        }
    }
}

impl MeasuredPower {
    fn unknown(source: PathBuf, gpus: u64) -> Self {
        Self {
            source,
            power: None,
            conditions: Conditions::default(),
            reasons: Vec::new(),
            gpus,
        }
    }

    fn because(mut self, code: &str) -> Self {
        self.add(code);
        self
    }

    fn add(&mut self, code: &str) {
        if !self.reasons.iter().any(|known| known == code) {
            self.reasons.push(code.to_owned());
        }
    }

    /// Whether any source existed.
    pub(crate) fn has_source(&self) -> bool {
        self.source.exists()
    }

    /// Writes the record of the check next to the raw result, as aggregate_power.py does.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn write_validation(&self, raw: &Path) -> Result<(), FileError> {
        let document = json!({
            "schema_version": 1,
            "power_valid": self.power.is_some(),
            "reasons": self.reasons,
            "telemetry_source": self.source.display().to_string(),
            "benchmark_result": raw.display().to_string(),
            "integration_method": "per_device_trapezoidal_with_linear_boundary_interpolation",
            "expected_gpu_count": self.gpus,
            "total_gpu_energy_j": self.power.map(|power| power.joules),
        });
        let name = format!("power_validation_{}", raw.file_name().unwrap_or_default().to_string_lossy());
        files::write(&raw.with_file_name(name), format!("{document:#}\n").as_bytes())
    }
}

fn is_required(lookup: &impl Fn(&str) -> Option<String>) -> bool {
    lookup("REQUIRE_POWER").is_some_and(|value| requires_power(&value))
}

fn first_that(paths: &[PathBuf], exists: fn(&Path) -> bool) -> PathBuf {
    let found = paths.iter().find(|path| exists(path)).or(paths.first());
    found.cloned().unwrap_or_default()
}

fn load_of(raw: &Json, gpus: u64) -> Option<Load> {
    let number = |key: &str| raw.get(key).and_then(Json::as_number).filter(|number| number.is_finite());
    let (start, end) = (number("benchmark_start_time_unix")?, number("benchmark_end_time_unix")?);
    Some(Load {
        window: (start, end),
        duration_s: number("duration")?,
        gpus,
    })
}

fn conditions(samples: &[GpuSample], load: Load) -> Conditions {
    let Some(usage) = gpu_usage(samples, load.window) else {
        return Conditions::default();
    };
    Conditions {
        mean_temperature_c: usage.mean_temperature_c,
        peak_temperature_c: usage.peak_temperature_c,
        mean_utilization_percent: usage.mean_utilization_percent,
        mean_memory_mib: usage.mean_memory_mib,
    }
}

fn power(joules: f64, gpus: usize, load: Load, roles: Option<RoleEnergy>) -> Option<Power> {
    Some(Power {
        joules,
        seconds: load.window.1 - load.window.0,
        gpus: u32::try_from(gpus).ok()?,
        roles: roles.and_then(role_power),
    })
}

fn role_power(roles: RoleEnergy) -> Option<RolePower> {
    Some(RolePower {
        prefill_joules: roles.prefill_joules,
        prefill_gpus: u32::try_from(roles.prefill_gpus).ok()?,
        decode_joules: roles.decode_joules,
        decode_gpus: u32::try_from(roles.decode_gpus).ok()?,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn whole(number: f64) -> Option<u32> {
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
}

fn read_package(folder: &Path) -> Result<PowerPackage, &'static str> {
    if !folder.is_dir() {
        return Err("power_artifacts_missing");
    }
    let manifest = artifacts::read_text(&folder.join("manifest.json")).map_err(|_| "manifest_missing")?;
    let samples = artifacts::read_text(&folder.join("samples.csv")).map_err(|_| "samples_csv_missing")?;
    let mut windows = Vec::new();
    let entries = fs::read_dir(folder.join("windows")).map_err(|_| "measurement_window_missing")?;
    for entry in entries.take(MAX_WINDOWS) {
        let path = entry.map_err(|_| "measurement_window_artifact_path_invalid")?.path();
        windows.push(artifacts::read_text(&path).map_err(|_| "measurement_window_artifact_path_invalid")?);
    }
    Ok(PowerPackage {
        manifest,
        samples,
        windows,
    })
}
