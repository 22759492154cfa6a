//! Telemetry of GPUs and host around the use of an engine. Missing tools are said once; nothing here fails a job.

use std::time::{Duration, Instant};

use super::life::Life;
use super::points::Loaded;
use crate::fleet::telemetry;
use crate::fleet::telemetry::{Exporter, HostSampler, Sampler, Wanted};
use crate::job::slurm::allocation;
use crate::job::{
    Energy, GpuUsage, GpuVendor, HostUse, LaunchSettings, Load, RoleEnergy, RoleNodes, energy, gpu_usage, host_csv, host_use, metrics_csv,
    role_energy,
};
use crate::model::Layout;
use crate::result::{Conditions, Json, Power, RolePower};
use crate::system::files;
use crate::system::host;

/// How long a sample after the loads is waited for where there has been none yet: longer than the second between two.
const FIRST_SAMPLE: Duration = Duration::from_millis(1300);
/// How long where there have been some: a tool that is slow needs more than one second, and a machine that is busy too.
const NEXT_SAMPLE: Duration = Duration::from_secs(10);
/// Between two looks for it.
const LOOK: Duration = Duration::from_millis(100);

impl Life<'_> {
    /// Begins: the host always, GPUs where the profile names a vendor or exporters.
    pub(super) fn start_sampling(&mut self) {
        let profile = &self.spec.profile;
        let exporters = profile.telemetry.dcgm.iter().flat_map(|address| address.of_nodes(&self.nodes));
        let exporters: Vec<Exporter> = exporters.map(|(url, node)| Exporter { url, node }).collect();
        let started = telemetry::start(Wanted {
            vendor: self.vendor_here(),
            exporters: &exporters,
            job: &self.spec.id,
            out: &self.places.out,
            stop: self.stop,
        });
        match started {
            Ok(started) => {
                self.sampler = started.sampler;
                if let Some(remark) = started.remark {
                    self.voice.line(&remark);
                }
            }
            Err(problem) => self.voice.line(&problem),
        }
        if !profile.launch.is_on_this_machine() {
            // This machine is not the one that is measured.
            return;
        }
        match HostSampler::start() {
            Ok(sampler) => self.host_sampler = Some(sampler),
            Err(problem) => self.voice.line(&problem),
        }
    }

    /// Ends, and writes `gpu_metrics.csv` and `host_metrics.csv`.
    pub(super) fn finish_sampling(&mut self) {
        if let Some(sampler) = self.sampler.take() {
            self.await_samples_after_the_loads(&sampler);
            match sampler.finish() {
                Ok(seen) => {
                    if let Some(remark) = seen.remark {
                        self.voice.line(&remark);
                    }
                    self.write_table("gpu_metrics.csv", &metrics_csv(&seen.samples));
                    self.samples = seen.samples;
                }
                Err(problem) => self.voice.line(&problem),
            }
            self.keep_own_gpus();
        }
        if let Some(sampler) = self.host_sampler.take() {
            match sampler.finish() {
                Ok(samples) => {
                    self.write_table("host_metrics.csv", &host_csv(&samples));
                    self.host_samples = samples;
                }
                Err(problem) => self.voice.line(&problem),
            }
        }
    }

    /// The last load's end must lie between two samples of each GPU. A signal does not wait for that.
    fn await_samples_after_the_loads(&self, sampler: &Sampler) {
        let (now, begin) = (host::unix_seconds(), Instant::now());
        loop {
            let limit = match sampler.sampled_until() {
                Some(until) if until > now => return,
                Some(_) => NEXT_SAMPLE,
                None => FIRST_SAMPLE,
            };
            if begin.elapsed() >= limit || self.stop.wait_timeout(LOOK).is_some() {
                return;
            }
        }
    }

    fn write_table(&self, name: &str, text: &str) {
        if let Err(error) = files::write(&self.places.out.join(name), text.as_bytes()) {
            self.voice.line(&error.to_string());
        }
    }

    /// Of a node that several jobs share, only the GPUs that this job may use count.
    fn keep_own_gpus(&mut self) {
        if !self.spec.profile.telemetry.dcgm.is_empty() {
            return;
        }
        if let Some(Ok(gpus)) = &self.node.gpus
            && !gpus.is_empty()
        {
            self.samples.retain(|sample| gpus.iter().any(|gpu| gpu.index == sample.gpu));
        }
    }

    /// Whose GPUs this machine has that are the job's: with a scheduler they are on others, where exporters may tell of them.
    fn vendor_here(&self) -> GpuVendor {
        let profile = &self.spec.profile;
        if profile.launch.is_on_this_machine() {
            profile.vendor
        } else {
            GpuVendor::None
        }
    }

    fn is_sampled(&self) -> bool {
        let has_gpus = match self.vendor_here() {
            GpuVendor::None => false,
            GpuVendor::Nvidia | GpuVendor::Amd => true,
        };
        has_gpus || !self.spec.profile.telemetry.dcgm.is_empty()
    }

    /// The energy of a point's load; none where nothing samples GPUs.
    pub(super) fn energy_of(&self, loaded: &Loaded) -> Option<Energy> {
        self.is_sampled().then(|| energy(&self.samples, self.load_of(loaded)))
    }

    fn load_of(&self, loaded: &Loaded) -> Load {
        Load {
            window: window(loaded),
            duration_s: number(loaded, "duration"),
            gpus: self.spec.row.layout.gpus(),
        }
    }

    /// The part of each role of a row over several nodes.
    pub(super) fn role_energy_of(&self, loaded: &Loaded) -> Option<RoleEnergy> {
        let LaunchSettings::Slurm(settings) = &self.spec.profile.launch else {
            return None;
        };
        let Layout::MultiNode { prefill, decode } = &self.spec.row.layout else {
            return None;
        };
        let roles = allocation(&self.spec.row, settings).ok()?.roles?;
        // As the job's script shares them out.
        let (first, rest) = self.nodes.split_at_checked(usize::try_from(roles.prefill).ok()?)?;
        let role = |nodes, gpus| RoleNodes { nodes, gpus };
        role_energy(
            &self.samples,
            self.load_of(loaded),
            role(first, prefill.gpus()),
            role(rest, decode.gpus()),
        )
    }

    /// What the GPUs did during a point's load.
    pub(super) fn gpu_usage_of(&self, loaded: &Loaded) -> Option<GpuUsage> {
        gpu_usage(&self.samples, window(loaded))
    }

    /// What the host did during a point's load.
    pub(super) fn host_use_of(&self, loaded: &Loaded) -> Option<HostUse> {
        host_use(&self.host_samples, window(loaded))
    }
}

/// The energy in the form that results have it.
pub(super) fn power_of(energy: Option<&Energy>, roles: Option<&RoleEnergy>, loaded: &Loaded) -> Option<Power> {
    let of_roles = |roles: &RoleEnergy| {
        Some(RolePower {
            prefill_joules: roles.prefill_joules,
            prefill_gpus: u32::try_from(roles.prefill_gpus).ok()?,
            decode_joules: roles.decode_joules,
            decode_gpus: u32::try_from(roles.decode_gpus).ok()?,
        })
    };
    match energy? {
        Energy::Measured { joules, gpus, .. } => {
            let (start, end) = window(loaded);
            Some(Power {
                joules: *joules,
                seconds: end - start,
                gpus: u32::try_from(*gpus).ok()?,
                roles: roles.and_then(of_roles),
            })
        }
        Energy::Unknown { .. } => None,
    }
}

/// What the GPUs did, in the form that results have it.
pub(super) fn conditions_of(usage: Option<&GpuUsage>) -> Conditions {
    usage.map_or_else(Conditions::default, |usage| Conditions {
        mean_temperature_c: usage.mean_temperature_c,
        peak_temperature_c: usage.peak_temperature_c,
        mean_utilization_percent: usage.mean_utilization_percent,
        mean_memory_mib: usage.mean_memory_mib,
    })
}

fn window(loaded: &Loaded) -> (f64, f64) {
    (
        number(loaded, "benchmark_start_time_unix"),
        number(loaded, "benchmark_end_time_unix"),
    )
}

fn number(loaded: &Loaded, key: &str) -> f64 {
    loaded.raw.get(key).and_then(Json::as_number).unwrap_or(f64::NAN)
}
