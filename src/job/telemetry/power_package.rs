//! The power package that srt-slurm writes beside the results of a job over several nodes: `manifest.json` with devices and roles,
//! `samples.csv` of DCGM, and a file in `windows/` per load. The manifest is verified against the samples, the GPUs of the row and the
//! times of the load. Format: version 1, as read by InferenceX's aggregate_power_multinode.py.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Energy, GpuSample, Load, RoleEnergy, energy};
use crate::model::saturating;

/// The files of a package as text.
#[derive(Debug, Clone, Default)]
pub struct PowerPackage {
    /// `manifest.json`.
    pub manifest: String,
    /// `samples.csv`.
    pub samples: String,
    /// The files in `windows/`.
    pub windows: Vec<String>,
}

/// Expected content of a package.
#[derive(Debug, Clone, Copy)]
pub struct PackageExpectation<'a> {
    /// The load whose energy is computed.
    pub load: Load,
    /// GPUs of the prefill workers.
    pub prefill_gpus: u64,
    /// GPUs of the decode workers.
    pub decode_gpus: u64,
    /// Concurrent requests of the load.
    pub conc: u32,
    /// The accepted commit of srt-slurm: power of an unknown producer is not published.
    pub producer: Option<&'a str>,
}

/// Energy of a load by a package.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageEnergy {
    /// Energy of all GPUs, joules.
    pub joules: f64,
    /// Number of sampled GPUs.
    pub gpus: usize,
    /// Energy by role, if both roles have GPUs.
    pub roles: Option<RoleEnergy>,
}

#[derive(Deserialize)]
struct Manifest {
    schema_version: u32,
    producer: String,
    producer_git_commit: Option<String>,
    source_metric: String,
    unit: String,
    power_scope: String,
    timestamp_source: String,
    status: String,
    publication_valid: bool,
    sample_row_count: usize,
    expected_devices: Vec<Device>,
}

#[derive(Deserialize)]
struct Device {
    hostname: String,
    gpu_index: u32,
    assignments: Vec<Assignment>,
}

#[derive(Deserialize)]
struct Assignment {
    worker_role: String,
}

#[derive(Deserialize)]
struct Window {
    concurrency: u32,
    status: String,
    benchmark_start_time_unix: f64,
    benchmark_end_time_unix: Option<f64>,
    duration: Option<f64>,
}

/// Host name and GPU index.
type Gpu = (String, u32);

/// The energy of a load.
///
/// # Errors
/// The reason codes of aggregate_power_multinode.py if it cannot be determined.
pub fn package_energy(package: &PowerPackage, expected: PackageExpectation<'_>) -> Result<PackageEnergy, Vec<&'static str>> {
    let manifest: Manifest = serde_json::from_str(&package.manifest).map_err(|_| vec!["manifest_malformed"])?;
    let mut reasons = BTreeSet::new();
    check_producer(&manifest, expected.producer, &mut reasons);
    let samples = samples(&package.samples, &manifest, &mut reasons);
    let roles = roles(&manifest);
    if roles.is_none() {
        reasons.insert("topology_env_mismatch");
    }
    let roles = roles.unwrap_or_default();
    check_roles(&roles, expected, &mut reasons);
    check_devices(&roles, &samples, &mut reasons);
    check_window(&package.windows, expected, &mut reasons);
    if !reasons.is_empty() {
        return Err(reasons.into_iter().collect());
    }
    integrate(&samples, &roles, expected).map_err(|reason| vec![reason])
}

fn check_producer(manifest: &Manifest, producer: Option<&str>, reasons: &mut BTreeSet<&'static str>) {
    let says = [
        (manifest.producer.as_str(), "srt-slurm.dcgm-power"),
        (&manifest.source_metric, "DCGM_FI_DEV_POWER_USAGE"),
        (&manifest.unit, "W"),
        (&manifest.power_scope, "gpu_device_board_as_reported_by_dcgm"),
        (&manifest.timestamp_source, "head_node_unix_clock"),
        (&manifest.status, "complete"),
    ];
    if manifest.schema_version != 1 || !manifest.publication_valid || says.iter().any(|(found, expected)| found != expected) {
        reasons.insert("package_recompute_invalid");
    }
    match producer {
        None => drop(reasons.insert("producer_pin_missing")),
        Some(pin) if manifest.producer_git_commit.as_deref() != Some(pin) => drop(reasons.insert("producer_commit_mismatch")),
        Some(_) => {}
    }
}

/// The samples of `samples.csv`: version, time, scrape, host, GPU, its UUID, watts.
fn samples(text: &str, manifest: &Manifest, reasons: &mut BTreeSet<&'static str>) -> Vec<GpuSample> {
    const HEADER: &str = "schema_version,timestamp_unix,scrape_seq,hostname,gpu_index,gpu_uuid,power_w";
    let mut lines = text.lines();
    if lines.next().map(str::trim_end) != Some(HEADER) {
        reasons.insert("samples_csv_header_mismatch");
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut scrapes: BTreeMap<(Gpu, u64), f64> = BTreeMap::new();
    let mut uuids: BTreeMap<Gpu, String> = BTreeMap::new();
    for line in lines {
        let Some((sample, scrape, uuid)) = sample(line) else {
            reasons.insert("samples_csv_malformed");
            continue;
        };
        let gpu = (sample.node.clone(), sample.gpu);
        if scrapes.insert((gpu.clone(), scrape), sample.at_unix_s).is_some() {
            reasons.insert("duplicate_sample_row");
            continue;
        }
        if uuids.entry(gpu).or_insert_with(|| uuid.clone()) != &uuid {
            reasons.insert("gpu_uuid_changed");
        }
        found.push(sample);
    }
    // One GPU under two names would be counted twice.
    if uuids.values().collect::<BTreeSet<_>>().len() != uuids.len() {
        reasons.insert("gpu_uuid_changed");
    }
    let pairs = scrapes.iter().zip(scrapes.iter().skip(1));
    let falls = pairs
        .filter(|(left, right)| left.0.0 == right.0.0)
        .any(|(left, right)| right.1 <= left.1);
    if falls {
        reasons.insert("timestamp_non_monotonic");
    }
    if found.len() != manifest.sample_row_count {
        reasons.insert("package_recompute_invalid");
    }
    found
}

fn sample(line: &str) -> Option<(GpuSample, u64, String)> {
    let cells: Vec<&str> = line.split(',').collect();
    let ["1", at, scrape, host, gpu, uuid, power] = cells.as_slice() else {
        return None;
    };
    if host.is_empty() || uuid.is_empty() {
        return None;
    }
    let sample = GpuSample {
        at_unix_s: positive_number(at)?,
        node: (*host).to_owned(),
        gpu: gpu.parse().ok()?,
        power_w: Some(positive_number(power)?),
        ..GpuSample::default()
    };
    Some((sample, scrape.parse().ok()?, (*uuid).to_owned()))
}

fn positive_number(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// The role of each GPU; `None` if a GPU has several roles or none.
fn roles(manifest: &Manifest) -> Option<BTreeMap<Gpu, String>> {
    let roles: BTreeMap<Gpu, String> = manifest
        .expected_devices
        .iter()
        .map(|device| {
            let distinct: BTreeSet<&str> = device.assignments.iter().map(|given| given.worker_role.as_str()).collect();
            let only = distinct.first().copied().filter(|_| distinct.len() == 1)?;
            Some(((device.hostname.clone(), device.gpu_index), only.to_owned()))
        })
        .collect::<Option<_>>()?;
    (roles.len() == manifest.expected_devices.len()).then_some(roles)
}

fn check_roles(roles: &BTreeMap<Gpu, String>, expected: PackageExpectation<'_>, reasons: &mut BTreeSet<&'static str>) {
    let [prefill, decode] = ["prefill", "decode"].map(|role| roles.values().filter(|found| *found == role).count());
    let has_others = prefill + decode != roles.len();
    if has_others || saturating::to_u64(prefill) != expected.prefill_gpus || saturating::to_u64(decode) != expected.decode_gpus {
        reasons.insert("topology_env_mismatch");
    }
}

fn check_devices(roles: &BTreeMap<Gpu, String>, samples: &[GpuSample], reasons: &mut BTreeSet<&'static str>) {
    let observed: BTreeSet<Gpu> = samples.iter().map(|sample| (sample.node.clone(), sample.gpu)).collect();
    if roles.is_empty() || roles.keys().any(|gpu| !observed.contains(gpu)) {
        reasons.insert("expected_device_missing");
    }
    if observed.iter().any(|gpu| !roles.contains_key(gpu)) {
        reasons.insert("unexpected_device");
    }
}

/// Exactly one completed window must have the concurrency of the load, and the same times.
fn check_window(windows: &[String], expected: PackageExpectation<'_>, reasons: &mut BTreeSet<&'static str>) {
    let parsed: Result<Vec<Window>, _> = windows.iter().map(|text| serde_json::from_str(text)).collect();
    let Ok(parsed) = parsed else {
        reasons.insert("measurement_window_malformed");
        return;
    };
    let found: Vec<&Window> = parsed
        .iter()
        .filter(|window| window.status == "completed" && window.concurrency == expected.conc)
        .collect();
    let [window] = found.as_slice() else {
        reasons.insert("window_for_result_missing");
        return;
    };
    let Load {
        window: (start, end),
        duration_s,
        ..
    } = expected.load;
    // Both files have the same numbers, written by the same program.
    let differs = [
        (window.benchmark_end_time_unix, end),
        (window.duration, duration_s),
        (Some(window.benchmark_start_time_unix), start),
    ]
    .into_iter()
    .any(|(found, expected)| !found.is_some_and(|found| (found - expected).abs() < 1e-6));
    if differs {
        reasons.insert("measurement_window_result_mismatch");
    }
}

fn integrate(
    samples: &[GpuSample],
    roles: &BTreeMap<Gpu, String>,
    expected: PackageExpectation<'_>,
) -> Result<PackageEnergy, &'static str> {
    let all = measured(
        samples,
        Load {
            gpus: expected.prefill_gpus + expected.decode_gpus,
            ..expected.load
        },
    )?;
    let roles = if expected.prefill_gpus > 0 && expected.decode_gpus > 0 {
        Some(RoleEnergy {
            prefill_joules: of_role(samples, roles, expected.load, "prefill", expected.prefill_gpus)?.0,
            prefill_gpus: expected.prefill_gpus,
            decode_joules: of_role(samples, roles, expected.load, "decode", expected.decode_gpus)?.0,
            decode_gpus: expected.decode_gpus,
        })
    } else {
        None
    };
    Ok(PackageEnergy {
        joules: all.0,
        gpus: all.1,
        roles,
    })
}

/// Energy of the GPUs of one role, joules, and their number.
fn of_role(samples: &[GpuSample], roles: &BTreeMap<Gpu, String>, load: Load, role: &str, gpus: u64) -> Result<(f64, usize), &'static str> {
    let own: Vec<GpuSample> = samples
        .iter()
        .filter(|sample| {
            let gpu = (sample.node.clone(), sample.gpu);
            roles.get(&gpu).is_some_and(|found| found == role)
        })
        .cloned()
        .collect();
    measured(&own, Load { gpus, ..load })
}

fn measured(samples: &[GpuSample], load: Load) -> Result<(f64, usize), &'static str> {
    match energy(samples, load) {
        Energy::Measured { joules, gpus, .. } => Ok((joules, gpus)),
        Energy::Unknown { reason } => Err(reason.power_code()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    /// Host, GPU, role and watts.
    const GPUS: [(&str, u32, &str, u32); 4] = [
        ("node-d", 0, "decode", 300),
        ("node-d", 1, "decode", 300),
        ("node-p", 0, "prefill", 400),
        ("node-p", 1, "prefill", 400),
    ];

    fn package() -> PowerPackage {
        let devices: Vec<_> = GPUS
            .iter()
            .map(|(host, gpu, role, _)| {
                serde_json::json!({"hostname": host, "gpu_index": gpu,
                    "assignments": [{"worker_role": role, "worker_index": 0, "worker_process": 0, "het_group": null}]})
            })
            .collect();
        let manifest = serde_json::json!({
            "schema_version": 1, "producer": "srt-slurm.dcgm-power", "producer_git_commit": COMMIT,
            "source_metric": "DCGM_FI_DEV_POWER_USAGE", "unit": "W", "power_scope": "gpu_device_board_as_reported_by_dcgm",
            "timestamp_source": "head_node_unix_clock", "status": "complete", "publication_valid": true, "sample_row_count": 60,
            "expected_devices": devices
        });
        let mut samples = "schema_version,timestamp_unix,scrape_seq,hostname,gpu_index,gpu_uuid,power_w\n".to_owned();
        for second in 0..15 {
            for (host, gpu, _, watts) in GPUS {
                samples.push_str(&format!("1,{}.0,{second},{host},{gpu},GPU-{host}-{gpu},{watts}.0\n", 998 + second));
            }
        }
        PowerPackage {
            manifest: manifest.to_string(),
            samples,
            windows: vec![
                r#"{"schema_version": 1, "benchmark_type": "sa-bench", "concurrency": 4, "status": "completed", "reason": null,
                    "benchmark_start_time_unix": 1000.0, "benchmark_end_time_unix": 1010.0, "duration": 10.0}"#
                    .to_owned(),
            ],
        }
    }

    const EXPECTED: PackageExpectation<'_> = PackageExpectation {
        load: Load {
            window: (1000.0, 1010.0),
            duration_s: 10.0,
            gpus: 4,
        },
        prefill_gpus: 2,
        decode_gpus: 2,
        conc: 4,
        producer: Some(COMMIT),
    };

    #[test]
    fn valid_package_gives_the_energy_of_each_role() {
        let found = package_energy(&package(), EXPECTED).unwrap();
        assert!((found.joules - 14_000.0).abs() < 1e-6 && found.gpus == 4);
        let roles = found.roles.unwrap();
        assert!((roles.prefill_joules - 8000.0).abs() < 1e-6 && (roles.decode_joules - 6000.0).abs() < 1e-6);
    }

    #[test]
    fn package_that_contradicts_itself_is_refused() {
        let edited = |part: fn(&mut PowerPackage) -> &mut String, from: &str, to: &str| {
            let mut package = package();
            let text = part(&mut package);
            assert!(text.contains(from), "{from}");
            *text = text.replace(from, to);
            package
        };
        let manifest: fn(&mut PowerPackage) -> &mut String = |package| &mut package.manifest;
        let samples: fn(&mut PowerPackage) -> &mut String = |package| &mut package.samples;
        let window: fn(&mut PowerPackage) -> &mut String = |package| &mut package.windows[0];
        for (package, code) in [
            (edited(manifest, "\"complete\"", "\"running\""), "package_recompute_invalid"),
            (
                edited(manifest, "\"publication_valid\":true", "\"publication_valid\":false"),
                "package_recompute_invalid",
            ),
            (edited(manifest, "\"W\"", "\"mW\""), "package_recompute_invalid"),
            (
                edited(manifest, "\"sample_row_count\":60", "\"sample_row_count\":61"),
                "package_recompute_invalid",
            ),
            (edited(manifest, COMMIT, "another"), "producer_commit_mismatch"),
            (edited(manifest, "\"prefill\"", "\"decode\""), "topology_env_mismatch"),
            (edited(manifest, "node-p", "node-q"), "expected_device_missing"),
            (edited(manifest, "{", "["), "manifest_malformed"),
            (edited(samples, "power_w", "power"), "samples_csv_header_mismatch"),
            (edited(samples, "GPU-node-p-1", "GPU-node-p-0"), "gpu_uuid_changed"),
            (edited(samples, "1,1005.0,7", "1,1003.5,7"), "timestamp_non_monotonic"),
            (edited(samples, ",400.0", ",-400.0"), "samples_csv_malformed"),
            (edited(samples, "1,1005.0,7", "1,1005.0,6"), "duplicate_sample_row"),
            (
                edited(window, "\"concurrency\": 4", "\"concurrency\": 8"),
                "window_for_result_missing",
            ),
            (edited(window, "1010.0", "1009.0"), "measurement_window_result_mismatch"),
            (edited(window, "\"completed\"", "\"interrupted\""), "window_for_result_missing"),
        ] {
            let reasons = package_energy(&package, EXPECTED).unwrap_err();
            assert!(reasons.contains(&code), "{code}: {reasons:?}");
        }
        let unpinned = PackageExpectation {
            producer: None,
            ..EXPECTED
        };
        assert_eq!(package_energy(&package(), unpinned), Err(vec!["producer_pin_missing"]));
    }
}
