//! Energy of the prefill and decode workers of a row over several nodes: that of their GPUs during the whole load, not that of a phase of
//! the engine. The keys are those of InferenceX's aggregate_power_multinode.py.

use serde::{Deserialize, Serialize};

use super::{Energy, GpuSample, Load, energy};

/// The nodes of one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleNodes<'a> {
    /// Their names, as in the samples.
    pub nodes: &'a [String],
    pub gpus: u64,
}

/// The energy of both roles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RoleEnergy {
    /// Energy of the prefill workers' GPUs, joules.
    pub prefill_joules: f64,
    pub prefill_gpus: u64,
    /// Energy of the decode workers' GPUs, joules.
    pub decode_joules: f64,
    pub decode_gpus: u64,
}

/// The energy of both roles over a load; `None` if that of one cannot be determined, or a role has no GPU.
#[must_use]
pub fn role_energy(samples: &[GpuSample], load: Load, prefill: RoleNodes<'_>, decode: RoleNodes<'_>) -> Option<RoleEnergy> {
    Some(RoleEnergy {
        prefill_joules: energy_of_role(samples, load, prefill)?,
        prefill_gpus: prefill.gpus,
        decode_joules: energy_of_role(samples, load, decode)?,
        decode_gpus: decode.gpus,
    })
}

fn energy_of_role(samples: &[GpuSample], load: Load, role: RoleNodes<'_>) -> Option<f64> {
    let own = samples.iter().filter(|sample| role.nodes.contains(&sample.node));
    let own: Vec<GpuSample> = own.cloned().collect();
    match energy(&own, Load { gpus: role.gpus, ..load }) {
        Energy::Measured { joules, .. } => Some(joules),
        Energy::Unknown { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_the_energy_of_its_own_nodes() {
        let sample = |node: &str, gpu, at, power| GpuSample {
            at_unix_s: at,
            node: node.to_owned(),
            gpu,
            power_w: Some(power),
            ..GpuSample::default()
        };
        let mut samples = Vec::new();
        for at in [0.0, 2.0] {
            samples.extend([sample("a", 0, at, 100.0), sample("a", 1, at, 200.0), sample("b", 0, at, 500.0)]);
        }
        let load = Load {
            window: (0.5, 1.5),
            duration_s: 1.0,
            gpus: 3,
        };
        let (prefill, decode) = (["a".to_owned()], ["b".to_owned()]);
        let role = |nodes, gpus| RoleNodes { nodes, gpus };
        let both = role_energy(&samples, load, role(&prefill, 2), role(&decode, 1)).unwrap();
        assert!((both.prefill_joules - 300.0).abs() < 1e-9 && (both.decode_joules - 500.0).abs() < 1e-9);
        assert_eq!((both.prefill_gpus, both.decode_gpus), (2, 1));
        // One GPU more than the role uses, and a node without samples.
        assert_eq!(role_energy(&samples, load, role(&prefill, 1), role(&decode, 1)), None);
        assert_eq!(role_energy(&samples, load, role(&prefill, 2), role(&["c".to_owned()], 1)), None);
    }
}
