//! Power and energy in the normalised document, under the keys that InferenceX's aggregate_power.py writes beside those of
//! process_result.py. Version 2 of them: energy per token is that of the whole deployment.

use super::{Json, Object, number};

/// The version of the keys.
const SCHEMA: i64 = 2;

/// What the GPUs of a point used during its load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// Energy of all GPUs, joules.
    pub joules: f64,
    /// Length of the load, seconds.
    pub seconds: f64,
    pub gpus: u32,
    /// The same of each role of a row over several nodes, if known.
    pub roles: Option<RolePower>,
}

/// Energy of the GPUs of each role over the whole load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RolePower {
    /// Of the prefill workers, joules.
    pub prefill_joules: f64,
    pub prefill_gpus: u32,
    /// Of the decode workers, joules.
    pub decode_joules: f64,
    pub decode_gpus: u32,
}

/// Temperature, utilisation and memory of the GPUs of a point; `None` for what was not sampled.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Conditions {
    /// Mean temperature, degrees Celsius.
    pub mean_temperature_c: Option<f64>,
    /// Highest temperature, degrees Celsius.
    pub peak_temperature_c: Option<f64>,
    /// Mean utilisation, percent.
    pub mean_utilization_percent: Option<f64>,
    /// Mean memory in use of a GPU, MiB.
    pub mean_memory_mib: Option<f64>,
}

/// Records that the power is unknown.
pub(super) fn put_unknown(document: &mut Object) {
    document.insert("power_metric_schema_version".to_owned(), Json::Integer(SCHEMA));
    document.insert("power_valid".to_owned(), Json::Integer(0));
}

/// Writes power and energy. Nothing is written if the raw result counts no requests or no tokens: energy per request and per token
/// would be undefined.
pub(super) fn put(document: &mut Object, power: Power, raw: &Object) {
    let counts = (
        count(raw, "completed"),
        count(raw, "total_input_tokens"),
        count(raw, "total_output_tokens"),
    );
    let (Some(queries), Some(input), Some(output)) = counts else {
        return;
    };
    let Power {
        joules,
        seconds,
        gpus,
        roles,
    } = power;
    let watts = joules / seconds;
    let mut numbers = vec![
        ("avg_power_w", watts / f64::from(gpus)),
        ("avg_total_gpu_power_w", watts),
        ("total_gpu_energy_j", joules),
        ("joules_per_successful_query", joules / queries),
        ("joules_per_input_token", joules / input),
        ("joules_per_output_token", joules / output),
        ("joules_per_total_token", joules / (input + output)),
    ];
    // The keys of aggregate_power_multinode.py.
    if let Some(roles) = roles {
        numbers.extend([
            ("prefill_gpu_energy_j", roles.prefill_joules),
            ("decode_gpu_energy_j", roles.decode_joules),
            (
                "prefill_avg_power_w",
                roles.prefill_joules / seconds / f64::from(roles.prefill_gpus),
            ),
            ("decode_avg_power_w", roles.decode_joules / seconds / f64::from(roles.decode_gpus)),
            ("prefill_joules_per_input_token", roles.prefill_joules / input),
            ("decode_joules_per_output_token", roles.decode_joules / output),
        ]);
    }
    if numbers.iter().any(|(_, number)| !number.is_finite()) {
        return;
    }
    document.insert("power_valid".to_owned(), Json::Integer(1));
    for (key, number) in numbers {
        // The original rounds watts and joules to three decimals.
        let number = if key.ends_with("_w") || key.ends_with("_j") {
            (number * 1e3).round() / 1e3
        } else {
            rounded(number)
        };
        document.insert(key.to_owned(), Json::Float(number));
    }
}

fn count(raw: &Object, key: &str) -> Option<f64> {
    raw.get(key)
        .and_then(number::float)
        .filter(|count| count.is_finite() && *count > 0.0)
}

/// Writes temperature, utilisation and memory.
pub(super) fn put_conditions(document: &mut Object, conditions: Conditions) {
    let numbers = [
        ("avg_temp_c", conditions.mean_temperature_c),
        ("peak_temp_c", conditions.peak_temperature_c),
        ("avg_util_pct", conditions.mean_utilization_percent),
        ("avg_mem_used_mb", conditions.mean_memory_mib),
    ];
    for (key, number) in numbers {
        if let Some(number) = number.filter(|number| number.is_finite()) {
            document.insert(key.to_owned(), Json::Float(rounded(number)));
        }
    }
}

/// Rounds to six decimals, as the original does.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(roles: Option<RolePower>) -> serde_json::Value {
        let raw = Object::from_iter([
            ("completed".to_owned(), Json::Integer(10)),
            ("total_input_tokens".to_owned(), Json::Integer(1000)),
            ("total_output_tokens".to_owned(), Json::Integer(100)),
        ]);
        let power = Power {
            joules: 8000.0,
            seconds: 2.0,
            gpus: 4,
            roles,
        };
        let mut document = Object::new();
        put(&mut document, power, &raw);
        serde_json::from_str(&Json::Object(document).to_pretty()).unwrap()
    }

    #[test]
    fn roles_have_their_own_power_keys() {
        let both = RolePower {
            prefill_joules: 6000.0,
            prefill_gpus: 3,
            decode_joules: 2000.0,
            decode_gpus: 1,
        };
        let (with, without) = (written(Some(both)), written(None));
        for (key, number) in [
            ("prefill_gpu_energy_j", 6000.0),
            ("decode_gpu_energy_j", 2000.0),
            ("prefill_avg_power_w", 1000.0),
            ("decode_avg_power_w", 1000.0),
            ("prefill_joules_per_input_token", 6.0),
            ("decode_joules_per_output_token", 20.0),
        ] {
            assert_eq!(with[key].as_f64(), Some(number), "{key}");
            assert_eq!(without.get(key), None, "{key}");
        }
        assert_eq!(
            (with["joules_per_total_token"].as_f64(), &with["avg_power_w"]),
            (Some(7.272_727), &without["avg_power_w"])
        );
        // Without GPUs of a role nothing is written.
        let none = RolePower {
            decode_gpus: 0,
            decode_joules: 0.0,
            ..both
        };
        assert_eq!(written(Some(none)), serde_json::json!({}));
    }
}
