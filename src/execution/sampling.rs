//! Samples of GPUs and of the host while an engine is measured, and their evaluation for each load: energy, utilisation, memory.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::timeout;

use super::blocking::blocking;
use super::context::JobContext;
use super::load_points::LoadedPoint;
use super::workspace::result_folders;
use crate::fleet::telemetry::{self, Exporter, HostSampler, Sampler, Wanted};
use crate::job::{
    Energy, EnergyDoubt, GpuSample, GpuUsage, GpuVendor, HostSample, HostUse, Load, NodeFacts, RoleEnergy, RoleNodes, energy, gpu_usage,
    host_csv, host_use, metrics_csv, read_metrics_csv, role_energy,
};
use crate::model::Layout;
use crate::result::{Conditions, Json, Power, RolePower};
use crate::system::files;
use crate::system::host;
use crate::system::untrusted;

/// How long to wait for a sample after the loads if there was none before: longer than the second between two samples.
const FIRST_SAMPLE_TIMEOUT: Duration = Duration::from_millis(1300);
/// How long to wait if there were samples before: a slow tool or a busy machine needs more than a second.
const NEXT_SAMPLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval of checks for that sample.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The table of the GPUs' samples, by whomever it was written.
const GPU_TABLE: &str = "gpu_metrics.csv";

/// Running samplers. [`Sampling::finish`] stops them and returns their samples.
#[derive(Debug)]
pub(super) struct Sampling {
    gpus: Option<Sampler>,
    host: Option<HostSampler>,
}

#[derive(Debug, Default)]
pub(super) struct Samples {
    gpus: Vec<GpuSample>,
    host: Vec<HostSample>,
    /// Whether imax or the recipe sampled the GPUs.
    has_gpus: bool,
    /// Whether it was the recipe.
    are_of_recipe: bool,
}

/// Telemetry of the load of one point.
pub(super) struct LoadTelemetry {
    /// Energy of the GPUs; `None` if nothing samples them.
    pub energy: Option<Energy>,
    /// The energy of each role (prefill, decode), for a multi-node row.
    pub role_energy: Option<RoleEnergy>,
    pub gpu_usage: Option<GpuUsage>,
    pub host_use: Option<HostUse>,
    /// Whether the recipe's monitor sampled the GPUs.
    pub is_of_recipe: bool,
}

impl Sampling {
    /// Starts sampling: of GPUs if the profile names a vendor or exporters, and of the host if the engine runs on this machine.
    pub fn start(ctx: &JobContext, nodes: &[String]) -> Self {
        Self {
            gpus: start_gpus(ctx, nodes),
            host: start_host(ctx),
        }
    }

    /// Stops sampling, and writes `gpu_metrics.csv` and `host_metrics.csv`.
    pub async fn finish(self, ctx: &JobContext, node: &NodeFacts) -> Samples {
        let mut samples = Samples {
            has_gpus: has_gpu_sampler(ctx),
            ..Samples::default()
        };
        if self.gpus.is_none()
            && let Some(found) = recipe_samples(ctx)
        {
            samples.gpus = found;
            samples.has_gpus = true;
            samples.are_of_recipe = true;
        }
        if let Some(sampler) = self.gpus {
            wait_for_last_sample(ctx, &sampler).await;
            match blocking(|| sampler.finish()) {
                Ok(seen) => {
                    if let Some(remark) = seen.remark {
                        ctx.console.line(&remark);
                    }
                    write_csv(ctx, GPU_TABLE, &metrics_csv(&seen.samples));
                    samples.gpus = seen.samples;
                }
                Err(problem) => ctx.console.line(&problem),
            }
            samples.keep_gpus_of_job(ctx, node);
        }
        if let Some(sampler) = self.host {
            match blocking(|| sampler.finish()) {
                Ok(seen) => {
                    write_csv(ctx, "host_metrics.csv", &host_csv(&seen));
                    samples.host = seen;
                }
                Err(problem) => ctx.console.line(&problem),
            }
        }
        samples
    }
}

fn start_gpus(ctx: &JobContext, nodes: &[String]) -> Option<Sampler> {
    let addresses = ctx.spec.profile.telemetry.dcgm.iter();
    let exporters = addresses.flat_map(|address| address.of_nodes(nodes));
    let exporters: Vec<Exporter> = exporters.map(|(url, node)| Exporter { url, node }).collect();
    let wanted = Wanted {
        vendor: local_vendor(ctx),
        exporters: &exporters,
        job: &ctx.spec.id,
        out: &ctx.folders.out,
        cancellation: &ctx.cancellation,
    };
    match blocking(|| telemetry::start(wanted)) {
        Ok(started) => {
            if let Some(remark) = started.remark {
                ctx.console.line(&remark);
            }
            started.sampler
        }
        Err(problem) => {
            ctx.console.line(&problem);
            None
        }
    }
}

fn start_host(ctx: &JobContext) -> Option<HostSampler> {
    if !ctx.spec.profile.launch.is_on_this_machine() {
        return None;
    }
    HostSampler::start().map_err(|problem| ctx.console.line(&problem)).ok()
}

/// The vendor of this machine's GPUs. With a scheduler the job's GPUs are on other machines, and exporters (DCGM) sample them.
fn local_vendor(ctx: &JobContext) -> GpuVendor {
    let profile = &ctx.spec.profile;
    if profile.launch.is_on_this_machine() {
        profile.vendor
    } else {
        GpuVendor::None
    }
}

fn has_gpu_sampler(ctx: &JobContext) -> bool {
    let has_gpus = match local_vendor(ctx) {
        GpuVendor::None => false,
        GpuVendor::Nvidia | GpuVendor::Amd => true,
    };
    has_gpus || !ctx.spec.profile.telemetry.dcgm.is_empty()
}

/// The samples that the recipe's own monitor wrote during this job, to the job's output folder or the workspace, from which they are copied.
/// They are used if imax itself samples no GPUs.
fn recipe_samples(ctx: &JobContext) -> Option<Vec<GpuSample>> {
    let folders = result_folders(ctx);
    let tables: Vec<PathBuf> = folders.iter().map(|folder| folder.join(GPU_TABLE)).collect();
    let path = tables.iter().find(|path| {
        let facts = path.symlink_metadata().and_then(|facts| facts.modified());
        let age = facts.ok().map(|time| time.elapsed());
        age.is_some_and(|age| age.is_ok_and(|age| age < ctx.start.instant.elapsed()))
    })?;
    let text = untrusted::read_text(path).ok()?;
    if path.parent() != Some(ctx.folders.out.as_path()) {
        write_csv(ctx, GPU_TABLE, &text);
    }
    match read_metrics_csv(&text, &host::local_unix_s) {
        Ok(samples) => Some(samples),
        Err(error) => {
            ctx.console.line(&format!("{}: {error}; the results have no power", path.display()));
            None
        }
    }
}

/// Waits for a sample of each GPU after the end of the last load, which the computation of energy needs. A cancelled job does not wait.
async fn wait_for_last_sample(ctx: &JobContext, sampler: &Sampler) {
    let (now, began) = (host::unix_seconds(), Instant::now());
    loop {
        let limit = match sampler.sampled_until() {
            Some(until) if until > now => return,
            Some(_) => NEXT_SAMPLE_TIMEOUT,
            None => FIRST_SAMPLE_TIMEOUT,
        };
        if began.elapsed() >= limit || timeout(POLL_INTERVAL, ctx.cancellation.cancelled()).await.is_ok() {
            return;
        }
    }
}

fn write_csv(ctx: &JobContext, name: &str, text: &str) {
    if let Err(error) = files::write(&ctx.folders.out.join(name), text.as_bytes()) {
        ctx.console.line(&error.to_string());
    }
}

impl Samples {
    /// Drops the samples of other GPUs on a node that several jobs share. Exporters are per node, and indices of GPUs repeat between nodes,
    /// so their samples are kept.
    fn keep_gpus_of_job(&mut self, ctx: &JobContext, node: &NodeFacts) {
        if !ctx.spec.profile.telemetry.dcgm.is_empty() {
            return;
        }
        if let Some(Ok(gpus)) = &node.gpus
            && !gpus.is_empty()
        {
            self.gpus.retain(|sample| gpus.iter().any(|gpu| gpu.index == sample.gpu));
        }
    }

    /// The telemetry of a load. `nodes` are those that a scheduler assigned to the job.
    pub fn during(&self, ctx: &JobContext, nodes: &[String], loaded: &LoadedPoint) -> LoadTelemetry {
        let window = window(loaded);
        let load = Load {
            window,
            duration_s: number(loaded, "duration"),
            gpus: ctx.spec.row.layout.gpus(),
        };
        LoadTelemetry {
            energy: self.has_gpus.then(|| energy(&self.gpus, load)),
            role_energy: self.role_energy(ctx, nodes, load),
            gpu_usage: gpu_usage(&self.gpus, window),
            host_use: host_use(&self.host, window),
            is_of_recipe: self.are_of_recipe,
        }
    }

    fn role_energy(&self, ctx: &JobContext, nodes: &[String], load: Load) -> Option<RoleEnergy> {
        let Layout::MultiNode { prefill, decode } = &ctx.spec.row.layout else {
            return None;
        };
        let roles = ctx.spec.nodes?;
        // The launcher assigns the first nodes to prefill.
        let (first, rest) = nodes.split_at_checked(usize::try_from(roles.prefill).ok()?)?;
        let prefill = RoleNodes {
            nodes: first,
            gpus: prefill.gpus(),
        };
        let decode = RoleNodes {
            nodes: rest,
            gpus: decode.gpus(),
        };
        role_energy(&self.gpus, load, prefill, decode)
    }
}

impl LoadTelemetry {
    /// The energy, as results have it.
    pub fn power(&self, loaded: &LoadedPoint) -> Option<Power> {
        match self.energy.as_ref()? {
            Energy::Measured { joules, gpus, .. } => {
                let (start, end) = window(loaded);
                Some(Power {
                    joules: *joules,
                    seconds: end - start,
                    gpus: u32::try_from(*gpus).ok()?,
                    roles: self.role_energy.as_ref().and_then(role_power),
                })
            }
            Energy::Unknown { .. } => None,
        }
    }

    /// How the energy was measured, for the provenance of a result; `None` where it is not known.
    pub fn power_provenance(&self) -> Option<Value> {
        match self.energy.as_ref()? {
            Energy::Measured { counter_joules, .. } => Some(json!({
                "source": if self.is_of_recipe { "recipe" } else { "imax" },
                "kind": if counter_joules.is_some() { "sampled-and-counted" } else { "sampled" },
                "scope": "gpus",
            })),
            Energy::Unknown { .. } => None,
        }
    }

    /// Why the energy is not known.
    pub fn power_doubt(&self) -> EnergyDoubt {
        match &self.energy {
            Some(Energy::Unknown { reason }) => *reason,
            Some(Energy::Measured { .. }) | None => EnergyDoubt::NoPower,
        }
    }

    /// Temperature, utilisation and memory, as results have them.
    pub fn conditions(&self) -> Conditions {
        let Some(usage) = &self.gpu_usage else {
            return Conditions::default();
        };
        Conditions {
            mean_temperature_c: usage.mean_temperature_c,
            peak_temperature_c: usage.peak_temperature_c,
            mean_utilization_percent: usage.mean_utilization_percent,
            mean_memory_mib: usage.mean_memory_mib,
        }
    }
}

fn role_power(roles: &RoleEnergy) -> Option<RolePower> {
    Some(RolePower {
        prefill_joules: roles.prefill_joules,
        prefill_gpus: u32::try_from(roles.prefill_gpus).ok()?,
        decode_joules: roles.decode_joules,
        decode_gpus: u32::try_from(roles.decode_gpus).ok()?,
    })
}

/// Start and end of a load, seconds since 1970.
fn window(loaded: &LoadedPoint) -> (f64, f64) {
    (
        number(loaded, "benchmark_start_time_unix"),
        number(loaded, "benchmark_end_time_unix"),
    )
}

fn number(loaded: &LoadedPoint, key: &str) -> f64 {
    loaded.raw.get(key).and_then(Json::as_number).unwrap_or(f64::NAN)
}
