//! What the simulated engine can imitate: GPUs from `hardware.yaml`, models and engines from `sim.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// GPUs, models and engines by name.
#[derive(Debug, Clone)]
pub struct Presets {
    hardware: BTreeMap<String, Hardware>,
    models: BTreeMap<String, ModelShape>,
    engines: BTreeMap<String, EngineProfile>,
}

/// One kind of GPU; rates are peaks of one GPU.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    #[serde(rename = "vendor")]
    _vendor: String,
    /// Dense TFLOP/s by precision.
    pub peak_tflops: BTreeMap<String, f64>,
    /// Memory, decimal GB.
    pub hbm_gb: f64,
    /// Memory bandwidth, decimal GB/s.
    pub hbm_gb_per_s: f64,
    /// Prices and power, which only reports read.
    #[serde(default, rename = "cost")]
    _cost: IgnoredAny,
}

/// The properties of a model that its speed depends on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelShape {
    /// Parameters, billions.
    pub total_billion: f64,
    /// Parameters that one token uses, billions.
    pub active_billion: f64,
    /// Bytes of KV cache of one token of context.
    pub kv_bytes_per_token: f64,
}

/// An engine: the share of the hardware's peak that it reaches, and its overheads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineProfile {
    /// Share of peak TFLOP/s while prompts are read.
    pub prefill_efficiency: f64,
    /// Share of peak memory bandwidth while tokens are generated.
    pub decode_efficiency: f64,
    /// Overhead of each step, milliseconds.
    pub step_overhead_ms: f64,
    /// Time to emit one stream's token, microseconds; the tokens of a step leave one after the other.
    pub output_us: f64,
    /// Share of speed lost with each doubling of tensor parallelism.
    pub tp_loss: f64,
    /// Share of speed lost with each doubling of expert parallelism.
    pub ep_loss: f64,
    /// Maximum tokens in one step.
    pub batch_tokens: u32,
    /// Maximum requests in one step.
    pub max_sequences: u32,
    /// Share of memory for weights and KV cache.
    pub memory_utilization: f64,
    /// Time from the start until requests are served, milliseconds.
    pub ready_ms: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    #[error("{file}: {source}")]
    Yaml { file: String, source: Box<serde_saphyr::Error> },
    /// A number is out of range.
    #[error("{kind} `{name}` has `{key}: {found}`, expected {expected}")]
    Range {
        /// What kind of preset.
        kind: &'static str,
        name: String,
        key: &'static str,
        found: f64,
        expected: &'static str,
    },
    #[error("{kind} `{name}` is unknown, expected one of: {known}")]
    Unknown {
        /// What kind of preset.
        kind: &'static str,
        name: String,
        known: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HardwareDocument {
    #[serde(default, rename = "facility")]
    _facility: IgnoredAny,
    hardware: BTreeMap<String, Hardware>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SimDocument {
    models: BTreeMap<String, ModelShape>,
    engines: BTreeMap<String, EngineProfile>,
}

impl Presets {
    /// Parses the two documents.
    ///
    /// # Errors
    /// [`PresetError`] with the place.
    pub fn parse(hardware_yaml: &str, sim_yaml: &str) -> Result<Self, PresetError> {
        let hardware: HardwareDocument = read("hardware.yaml", hardware_yaml)?;
        let sim: SimDocument = read("sim.yaml", sim_yaml)?;
        let presets = Self {
            hardware: hardware.hardware,
            models: sim.models,
            engines: sim.engines,
        };
        presets.check()?;
        Ok(presets)
    }

    /// The presets built into the program: those in the repository's `configs/`.
    ///
    /// # Errors
    /// [`PresetError`]; a test ensures that none occurs.
    pub fn built_in() -> Result<Self, PresetError> {
        Self::parse(HARDWARE_YAML, SIM_YAML)
    }

    pub fn hardware(&self, name: &str) -> Result<&Hardware, PresetError> {
        find("GPU", &self.hardware, name)
    }

    pub fn model(&self, name: &str) -> Result<&ModelShape, PresetError> {
        find("model", &self.models, name)
    }

    pub fn engine(&self, name: &str) -> Result<&EngineProfile, PresetError> {
        find("engine", &self.engines, name)
    }

    fn check(&self) -> Result<(), PresetError> {
        for (name, gpu) in &self.hardware {
            let checks = [
                ("hbm_gb", gpu.hbm_gb),
                ("hbm_gb_per_s", gpu.hbm_gb_per_s),
                ("peak_tflops", gpu.peak_tflops.values().copied().fold(f64::NAN, f64::min)),
            ];
            checks.into_iter().try_for_each(|(key, value)| positive("GPU", name, key, value))?;
        }
        for (name, model) in &self.models {
            positive("model", name, "total_billion", model.total_billion)?;
            positive("model", name, "kv_bytes_per_token", model.kv_bytes_per_token)?;
            let active = model.active_billion;
            range(
                "model",
                name,
                "active_billion",
                active,
                active > 0.0 && active <= model.total_billion,
                "above 0 and at most total_billion",
            )?;
        }
        for (name, engine) in &self.engines {
            for (key, share) in [
                ("prefill_efficiency", engine.prefill_efficiency),
                ("decode_efficiency", engine.decode_efficiency),
                ("memory_utilization", engine.memory_utilization),
            ] {
                range(
                    "engine",
                    name,
                    key,
                    share,
                    share > 0.0 && share <= 1.0,
                    "a share above 0 and at most 1",
                )?;
            }
            for (key, loss) in [("tp_loss", engine.tp_loss), ("ep_loss", engine.ep_loss)] {
                range("engine", name, key, loss, (0.0..0.5).contains(&loss), "a share from 0 to 0.5")?;
            }
            for (key, time) in [("step_overhead_ms", engine.step_overhead_ms), ("output_us", engine.output_us)] {
                range("engine", name, key, time, (0.0..1e6).contains(&time), "a time of 0 or more")?;
            }
            positive("engine", name, "batch_tokens", f64::from(engine.batch_tokens))?;
            positive("engine", name, "max_sequences", f64::from(engine.max_sequences))?;
        }
        Ok(())
    }
}

const HARDWARE_YAML: &str = include_str!("../../configs/hardware.yaml");
const SIM_YAML: &str = include_str!("../../configs/sim.yaml");

fn read<T: serde::de::DeserializeOwned>(file: &str, yaml: &str) -> Result<T, PresetError> {
    serde_saphyr::from_str(yaml).map_err(|source| PresetError::Yaml {
        file: file.to_owned(),
        source: Box::new(source),
    })
}

fn find<'a, T>(kind: &'static str, all: &'a BTreeMap<String, T>, name: &str) -> Result<&'a T, PresetError> {
    all.get(name).ok_or_else(|| PresetError::Unknown {
        kind,
        name: name.to_owned(),
        known: all.keys().cloned().collect::<Vec<_>>().join(", "),
    })
}

fn positive(kind: &'static str, name: &str, key: &'static str, found: f64) -> Result<(), PresetError> {
    range(kind, name, key, found, found.is_finite() && found > 0.0, "a number above 0")
}

fn range(kind: &'static str, name: &str, key: &'static str, found: f64, is: bool, expected: &'static str) -> Result<(), PresetError> {
    if is {
        return Ok(());
    }
    Err(PresetError::Range {
        kind,
        name: name.to_owned(),
        key,
        found,
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_presets_are_valid_and_documented() {
        let presets = Presets::built_in().unwrap();
        for gpu in ["h100", "h200", "b200", "gb200", "mi300x", "mi325x", "mi355x", "cpu"] {
            presets.hardware(gpu).unwrap();
        }
        // Every GPU that the repository's runners have can be simulated.
        let runners = include_str!("../../configs/runners.yaml");
        let labels = runners.split("labels:").nth(1).unwrap().split("hardware:").next().unwrap();
        let labels: Vec<&str> = labels
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'))
            .collect();
        assert!(labels.len() >= 8, "{labels:?}");
        for label in labels {
            presets.hardware(label.split('-').next().unwrap()).unwrap();
        }
        presets.model("demo").unwrap();
        for engine in ["imax-sim:1.0", "imax-sim:1.1", "imax-sim-b:1.0"] {
            presets.engine(engine).unwrap();
        }
        let error = presets.hardware("h1").unwrap_err().to_string();
        assert!(error.contains("GPU `h1` is unknown") && error.contains("h100"), "{error}");
    }

    #[test]
    fn invalid_presets_are_refused() {
        for (from, to, message) in [
            (
                "decode_efficiency: 0.70",
                "decode_efficiency: 7",
                "engine `imax-sim:1.0` has `decode_efficiency: 7`",
            ),
            ("active_billion: 5", "active_billion: 500", "at most total_billion"),
            ("ready_ms: 20", "ready: 20", "ready"),
        ] {
            let error = Presets::parse(HARDWARE_YAML, &SIM_YAML.replacen(from, to, 1))
                .unwrap_err()
                .to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
