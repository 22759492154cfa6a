//! Named numbers as a JSON object. A sweep has millions of them and few different names, so the usual names are static and not
//! allocated.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserializer, Serializer};

/// The names that load generators' results usually have. Histories have a column for each, so an addition needs a migration there.
pub const USUAL_NUMBERS: [&str; 51] = [
    "tput_per_gpu",
    "output_tput_per_gpu",
    "input_tput_per_gpu",
    "mean_ttft",
    "median_ttft",
    "std_ttft",
    "p90_ttft",
    "p95_ttft",
    "p99_ttft",
    "p99.9_ttft",
    "mean_tpot",
    "median_tpot",
    "std_tpot",
    "p90_tpot",
    "p95_tpot",
    "p99_tpot",
    "p99.9_tpot",
    "mean_intvty",
    "median_intvty",
    "std_intvty",
    "p90_intvty",
    "p95_intvty",
    "p99_intvty",
    "p99.9_intvty",
    "mean_itl",
    "median_itl",
    "std_itl",
    "p90_itl",
    "p95_itl",
    "p99_itl",
    "p99.9_itl",
    "mean_e2el",
    "median_e2el",
    "std_e2el",
    "p90_e2el",
    "p95_e2el",
    "p99_e2el",
    "p99.9_e2el",
    "avg_power_w",
    "avg_total_gpu_power_w",
    "total_gpu_energy_j",
    "joules_per_successful_query",
    "joules_per_input_token",
    "joules_per_output_token",
    "joules_per_total_token",
    "avg_temp_c",
    "peak_temp_c",
    "avg_util_pct",
    "avg_mem_used_mb",
    "mean_qps",
    "server_overall_cache_hit_rate",
];

/// Requests that succeeded and that failed, which imports have where their source counts both.
pub const SUCCESSFUL_REQUESTS: &str = "successful_requests";
pub const FAILED_REQUESTS: &str = "failed_requests";

/// A name; usual names are not allocated.
pub(super) fn name(name: &str) -> Cow<'static, str> {
    match USUAL_NUMBERS.iter().find(|usual| **usual == name) {
        Some(usual) => Cow::Borrowed(usual),
        None => Cow::Owned(name.to_owned()),
    }
}

pub(super) fn serialize<S: Serializer>(numbers: &[(Cow<'static, str>, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(numbers.len()))?;
    for (name, number) in numbers {
        map.serialize_entry(name, number)?;
    }
    map.end()
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Cow<'static, str>, f64)>, D::Error> {
    struct Numbers;

    impl<'de> Visitor<'de> for Numbers {
        type Value = Vec<(Cow<'static, str>, f64)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of numbers")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut numbers = Vec::with_capacity(entries.size_hint().unwrap_or(USUAL_NUMBERS.len()));
            while let Some((key, number)) = entries.next_entry::<Cow<str>, f64>()? {
                numbers.push((name(&key), number));
            }
            Ok(numbers)
        }
    }

    deserializer.deserialize_map(Numbers)
}
