//! The performance model: how long one step of a continuously batching engine takes. A roofline: a step computes and
//! reads memory at the same time, so it takes the longer of the two, plus a fixed overhead. `docs/reference/simulated-engine.md` has the
//! formulas with their units.

use std::time::Duration;

use super::presets::{EngineProfile, Hardware, ModelShape, PresetError};
use crate::model::count;
use crate::model::saturating;

/// A model on an engine on GPUs, reduced to the numbers that a step's time depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    flops_per_token: f64,
    flops_per_second: f64,
    weight_bytes: f64,
    active_share: f64,
    kv_bytes_per_token: f64,
    bytes_per_second: f64,
    overhead: Duration,
    /// Time between the tokens of two streams in the same step.
    pub output_spacing: Duration,
    /// Tokens of context that fit into memory next to the weights.
    pub kv_capacity_tokens: u64,
    /// Maximum tokens in one step.
    pub batch_tokens: u32,
    /// Maximum requests in one step.
    pub max_sequences: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parallel {
    pub tp: u32,
    /// Number of GPUs over which the experts are spread; 1 spreads each expert over all GPUs.
    pub ep: u32,
}

#[cfg(test)]
impl Parallel {
    pub fn of(tp: u32) -> Self {
        Self { tp, ep: 1 }
    }
}

/// The work of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepCost {
    /// Tokens that go through the model: prompt tokens of prefills, and one for each decoding request.
    pub tokens: u64,
    /// Tokens of context whose KV cache is read.
    pub context_tokens: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    #[error("expert parallelism {ep} does not divide tensor parallelism {tp}")]
    Experts {
        tp: u32,
        /// Groups of experts.
        ep: u32,
    },
    #[error(transparent)]
    Preset(#[from] PresetError),
    /// The precision is not a numeric format.
    #[error("precision `{0}` is unknown, expected fp4, fp8, int8, int4, bf16 or fp16")]
    Precision(String),
    /// The GPU has no rate for the precision or a wider one.
    #[error("the GPU has no rate for precision `{0}` or a wider one; add one to peak_tflops")]
    NoRate(String),
    /// The weights do not fit.
    #[error("the weights take {weights_gb:.0} GB, but {gpus} GPUs have {memory_gb:.0} GB for them; use more GPUs or a smaller precision")]
    OutOfMemory {
        /// Size of the weights.
        weights_gb: f64,
        gpus: u32,
        memory_gb: f64,
    },
}

impl Deployment {
    /// A deployment over several GPUs.
    ///
    /// # Errors
    /// [`DeploymentError`] for a combination that cannot exist.
    pub fn new(
        hardware: &Hardware,
        model: &ModelShape,
        engine: &EngineProfile,
        precision: &str,
        parallel: Parallel,
    ) -> Result<Self, DeploymentError> {
        let Parallel { tp, ep } = parallel;
        if ep == 0 || !tp.is_multiple_of(ep) {
            return Err(DeploymentError::Experts { tp, ep });
        }
        let bytes_per_parameter = bytes_per_parameter(precision)?;
        let tflops = peak_tflops(hardware, precision)?;
        let gpus = f64::from(tp);
        // Parallelism costs communication: each doubling leaves (1 - loss) of the speed. Experts on GPUs of their own exchange
        // tokens once instead of partial sums twice, but wait for the busiest GPU; the engine's ep_loss is the net cost.
        let groups = f64::from(ep);
        let scaling = gpus * (1.0 - engine.tp_loss).powf((gpus / groups).log2()) * (1.0 - engine.ep_loss).powf(groups.log2());
        let weight_bytes = model.total_billion * 1e9 * bytes_per_parameter;
        let memory_bytes = hardware.hbm_gb * 1e9 * gpus * engine.memory_utilization;
        if weight_bytes >= memory_bytes {
            return Err(DeploymentError::OutOfMemory {
                weights_gb: weight_bytes / 1e9,
                gpus: tp,
                memory_gb: memory_bytes / 1e9,
            });
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive quotient far below 2^63"
        )]
        let kv_capacity_tokens = ((memory_bytes - weight_bytes) / model.kv_bytes_per_token) as u64;
        Ok(Self {
            flops_per_token: 2.0 * model.active_billion * 1e9,
            flops_per_second: tflops * 1e12 * engine.prefill_efficiency * scaling,
            weight_bytes,
            active_share: model.active_billion / model.total_billion,
            kv_bytes_per_token: model.kv_bytes_per_token,
            bytes_per_second: hardware.hbm_gb_per_s * 1e9 * engine.decode_efficiency * scaling,
            overhead: Duration::from_secs_f64(engine.step_overhead_ms / 1e3),
            output_spacing: Duration::from_secs_f64(engine.output_us / 1e6),
            kv_capacity_tokens,
            batch_tokens: engine.batch_tokens,
            max_sequences: saturating::to_usize(engine.max_sequences),
        })
    }

    /// The duration of a step.
    #[must_use]
    pub fn step_time(&self, cost: StepCost) -> Duration {
        let tokens = count(cost.tokens);
        let compute = tokens * self.flops_per_token / self.flops_per_second;
        // Each token uses its own part of a sparse model; the more tokens, the larger the part that is read.
        // A dense model has an active share of 1 and is read as a whole.
        let touched = 1.0 - (1.0 - self.active_share).powf(tokens);
        let bytes = self.weight_bytes * touched + count(cost.context_tokens) * self.kv_bytes_per_token;
        let memory = bytes / self.bytes_per_second;
        self.overhead + Duration::from_secs_f64(compute.max(memory))
    }
}

fn bytes_per_parameter(precision: &str) -> Result<f64, DeploymentError> {
    match precision {
        "fp4" | "int4" | "mxfp4" | "nvfp4" => Ok(0.5),
        "fp8" | "int8" => Ok(1.0),
        "bf16" | "fp16" => Ok(2.0),
        other => Err(DeploymentError::Precision(other.to_owned())),
    }
}

/// The rate in the precision itself, or in the next wider one that the GPU supports.
fn peak_tflops(hardware: &Hardware, precision: &str) -> Result<f64, DeploymentError> {
    let wider: &[&str] = match precision {
        "fp4" | "int4" | "mxfp4" | "nvfp4" => &["fp4", "fp8", "bf16"],
        "fp8" | "int8" => &["fp8", "bf16"],
        _ => &["bf16"],
    };
    wider
        .iter()
        .find_map(|name| hardware.peak_tflops.get(*name).copied())
        .ok_or_else(|| DeploymentError::NoRate(precision.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Presets;

    fn deployment(gpu: &str, model: &str, engine: &str, precision: &str, tp: u32) -> Deployment {
        let presets = Presets::built_in().unwrap();
        Deployment::new(
            presets.hardware(gpu).unwrap(),
            presets.model(model).unwrap(),
            presets.engine(engine).unwrap(),
            precision,
            Parallel::of(tp),
        )
        .unwrap()
    }

    fn ms(deployment: &Deployment, tokens: u64, context_tokens: u64) -> f64 {
        deployment.step_time(StepCost { tokens, context_tokens }).as_secs_f64() * 1e3
    }

    #[test]
    fn step_time_follows_the_formulas() {
        let h100 = deployment("h100", "demo", "imax-sim:1.0", "fp8", 1);
        // 8 GB of weights at 0.7 of 3350 GB/s, and 0.8 ms.
        assert!((ms(&h100, 1, 0) - (8.0 / (3350.0 * 0.7) * 1e3 + 0.8)).abs() < 1e-6);
        // 64 contexts of 2,000 tokens add 131,072 bytes a token.
        let kv_gb = 64.0 * 2000.0 * 131_072.0 / 1e9;
        assert!((ms(&h100, 64, 128_000) - ((8.0 + kv_gb) / (3350.0 * 0.7) * 1e3 + 0.8)).abs() < 1e-6);
        // A prompt of 8,000 tokens is bound by compute: 2 x 8e9 x 8000 at 0.45 of 1979 TFLOP/s.
        assert!((ms(&h100, 8000, 0) - (2.0 * 8e9 * 8000.0 / (1979e12 * 0.45) * 1e3 + 0.8)).abs() < 1e-6);
    }

    #[test]
    fn faster_hardware_engine_precision_and_parallelism_are_faster() {
        let base = ms(&deployment("h100", "demo", "imax-sim:1.0", "fp8", 1), 16, 16_000);
        for faster in [
            deployment("b200", "demo", "imax-sim:1.0", "fp8", 1),
            deployment("h100", "demo", "imax-sim:1.1", "fp8", 1),
            deployment("h100", "demo", "imax-sim:1.0", "fp4", 1),
            deployment("h100", "demo", "imax-sim:1.0", "fp8", 2),
        ] {
            assert!(ms(&faster, 16, 16_000) < base);
        }
    }

    #[test]
    fn sparse_model_reads_more_weights_with_more_tokens() {
        let sparse = deployment("b200", "demo-moe", "imax-sim:1.0", "fp8", 1);
        assert!(ms(&sparse, 64, 0) > 5.0 * (ms(&sparse, 1, 0) - 0.8));
    }

    #[test]
    fn models_larger_than_memory_are_refused() {
        let presets = Presets::built_in().unwrap();
        let (gpu, model, engine) = (
            presets.hardware("h100").unwrap(),
            presets.model("demo-moe").unwrap(),
            presets.engine("imax-sim:1.0").unwrap(),
        );
        let error = |precision, tp| {
            Deployment::new(gpu, model, engine, precision, Parallel::of(tp))
                .unwrap_err()
                .to_string()
        };
        assert!(error("fp8", 1).contains("120 GB"), "{}", error("fp8", 1));
        assert!(error("fp7", 8).contains("precision `fp7`"));
    }

    #[test]
    fn expert_parallelism_costs_communication() {
        let presets = Presets::built_in().unwrap();
        let (gpu, model) = (presets.hardware("b200").unwrap(), presets.model("demo-moe").unwrap());
        let engine = presets.engine("imax-sim:1.0").unwrap();
        let time = |ep| {
            let deployment = Deployment::new(gpu, model, engine, "fp8", Parallel { tp: 8, ep });
            deployment.map(|deployment| ms(&deployment, 64, 0))
        };
        let (tensor, experts) = (time(1).unwrap() - 0.8, time(8).unwrap() - 0.8);
        let expected = ((1.0 - engine.tp_loss) / (1.0 - engine.ep_loss)).powi(3);
        assert!((experts / tensor - expected).abs() < 1e-5, "{tensor} {experts}");
        assert!(time(3).unwrap_err().to_string().contains("does not divide"));
    }
}
