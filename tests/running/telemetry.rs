//! Telemetry with tools that are not there on this machine: stand-ins for nvidia-smi and amd-smi on PATH, a tree of driver
//! files as the amdgpu driver has them, and exporters of DCGM. NVIDIA's library has a file of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::doctor::NVIDIA_SMI;
use super::fixture::Fixture;
use super::success::ENGINE;

pub fn fixture(profile: &str) -> Fixture {
    let fixture = Fixture::with_recipe(ENGINE);
    fixture.write("runners/h100-a.yaml", &format!("launcher: local\n{profile}\n"));
    fixture
}

pub fn agg(fixture: &Fixture) -> Value {
    let name = fixture.job()["points"][0]["normalised"].as_str().unwrap().to_owned();
    serde_json::from_str(&fixture.read(&format!("out/{name}"))).unwrap()
}

pub fn close(found: &Value, expected: f64) -> bool {
    found
        .as_f64()
        .is_some_and(|found| (found - expected).abs() <= expected.abs() * 1e-5)
}

/// Runs a row and holds what must hold of its power in `job.json` and in the result.
pub fn assert_power(fixture: &Fixture, watts: f64, gpus: u32) {
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let energy = &fixture.job()["points"][0]["energy"];
    assert_eq!(
        (&energy["status"], &energy["gpus"]),
        (&json!("measured"), &json!(gpus)),
        "{energy}\n{}",
        ended.stderr
    );
    assert!(close(&energy["average_w"], watts), "{energy}");
    let csv = fixture.read("out/gpu_metrics.csv");
    assert!(csv.lines().count() > 2 && csv.starts_with("timestamp_unix_s,gpu,"), "{csv}");
    let agg = agg(fixture);
    assert_eq!((&agg["power_valid"], &agg["power_metric_schema_version"]), (&json!(1), &json!(2)));
    let joules = agg["total_gpu_energy_j"].as_f64().unwrap();
    let tokens = agg["imax"]["total_output_tokens"].as_f64().unwrap();
    assert!(
        close(&agg["avg_power_w"], watts / f64::from(gpus)) && close(&agg["avg_total_gpu_power_w"], watts),
        "{agg}"
    );
    assert!(close(&agg["joules_per_output_token"], joules / tokens), "{agg}");
    assert!(
        close(
            &agg["joules_per_successful_query"],
            joules / agg["imax"]["completed"].as_f64().unwrap()
        ),
        "{agg}"
    );
    fixture.assert_nothing_runs();
}

#[test]
fn nvidia_smi_gives_samples_energy_and_provenance() {
    let fixture = long_load(fixture("vendor: nvidia").tools(&[("nvidia-smi", NVIDIA_SMI)]));
    assert_power(&fixture, 1000.0, 2);
    let (job, agg) = (fixture.job(), agg(&fixture));
    assert!(close(&agg["avg_temp_c"], 60.0) && close(&agg["avg_util_pct"], 90.0), "{agg}");
    assert_eq!(job["provenance"]["gpus"][1]["name"], json!("NVIDIA H100 80GB HBM3"));
    assert_eq!(
        (&job["provenance"]["gpu_driver"], &job["provenance"]["gpu_toolkit"]),
        (&json!("570.86.15"), &json!("12.8"))
    );
    let own = &agg["imax"]["provenance"];
    assert_eq!(own["gpus"], json!({ "NVIDIA H100 80GB HBM3": 2 }));
    assert_eq!(
        (&own["job"], &own["recipe_sha256"]),
        (&job["job_id"], &job["provenance"]["recipe"]["sha256"])
    );
    assert_eq!(job["points"][0]["gpu_usage"]["mean_clock_mhz"], json!(1700.0));
}

#[test]
fn only_chosen_gpus_of_a_shared_node_count() {
    let fixture = fixture("vendor: nvidia")
        .tools(&[("nvidia-smi", NVIDIA_SMI)])
        .environment("CUDA_VISIBLE_DEVICES", "1");
    assert_power(&fixture, 500.0, 1);
    assert_eq!(fixture.job()["provenance"]["gpus"].as_array().unwrap().len(), 1);
}

#[test]
fn amdgpu_files_give_samples_and_the_energy_of_the_load() {
    let fixture = fixture("vendor: amd");
    for (file, text) in [
        ("vendor", "0x1002\n"),
        ("gpu_busy_percent", "97\n"),
        ("mem_info_vram_used", "1048576\n"),
        ("hwmon/hwmon3/power1_average", "400000000\n"),
        ("hwmon/hwmon3/temp1_input", "55000\n"),
    ] {
        fixture.write(&format!("sys/class/drm/card1/device/{file}"), text);
    }
    fixture.write("sys/class/drm/card0/device/vendor", "0x1a03\n");
    let root = fixture.path("sys").display().to_string();
    assert_power(&fixture.environment("IMAX_SYSFS", &root), 400.0, 1);
}

/// Revision 1.6 of the driver's table, as MI300X has it: 400 W and their energy since 2023, throttled for heat `hot` ticks.
fn gpu_metrics(hot: u32) -> Vec<u8> {
    let since = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let joules = 400.0 * since.elapsed().unwrap().as_secs_f64();
    let mut table = vec![0xff; 1664];
    let mut put = |at: usize, bytes: &[u8]| table[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &1664_u16.to_le_bytes());
    put(2, &[1, 6]);
    put(10, &400_u16.to_le_bytes());
    put(16, &((joules * 65536.0) as u64).to_le_bytes());
    put(36, &[0; 4]);
    put(40, &[0; 4]);
    put(44, &hot.to_le_bytes());
    table
}

#[test]
fn gpu_metrics_table_gives_power_energy_and_throttling() {
    let fixture = fixture("vendor: amd").arguments(&["--num-prompts-per-conc", "12"]);
    fixture.row(|row| {
        row["osl"] = json!(300);
        row["max-model-len"] = json!(400);
    });
    // What MI325X says of its power.
    fixture.write("sys/class/drm/card1/device/hwmon/hwmon3/power1_average", "2000000\n");
    fixture.write("sys/class/drm/card1/device/vendor", "0x1002\n");
    let device = fixture.path("sys/class/drm/card1/device");
    let root = fixture.path("sys").display().to_string();
    let fixture = fixture.environment("IMAX_SYSFS", &root);
    let write = |hot| {
        std::fs::write(device.join("new"), gpu_metrics(hot)).unwrap();
        std::fs::rename(device.join("new"), device.join("gpu_metrics")).unwrap();
    };
    write(0);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for hot in 1.. {
                if done.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
                write(hot);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| assert_power(&fixture, 400.0, 1)));
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        ended.unwrap();
    });
    let point = &fixture.job()["points"][0];
    let (joules, counted) = (&point["energy"]["joules"], &point["energy"]["counter_joules"]);
    let (joules, counted) = (joules.as_f64().unwrap(), counted.as_f64().unwrap());
    assert!((joules - counted).abs() < 0.05 * joules, "{point}");
    assert_eq!(point["gpu_usage"]["held_back_by"], json!(["thermal slowdown"]));
}

#[test]
fn truncated_gpu_metrics_table_is_reported_once() {
    let fixture = fixture("vendor: amd");
    fixture.write("sys/class/drm/card1/device/vendor", "0x1002\n");
    fixture.write("sys/class/drm/card1/device/hwmon/hwmon3/power1_average", "400000000\n");
    std::fs::write(fixture.path("sys/class/drm/card1/device/gpu_metrics"), &gpu_metrics(0)[..100]).unwrap();
    let root = fixture.path("sys").display().to_string();
    let fixture = fixture.environment("IMAX_SYSFS", &root);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = "gpu_metrics has 100 bytes, expected 1664";
    assert_eq!(ended.stderr.matches(said).count(), 1, "{}", ended.stderr);
    assert_eq!(fixture.job()["points"][0]["energy"]["status"], json!("measured"));
}

/// As amd-smi of ROCm 6 answers; one GPU that draws 400 W, and whose counter says so.
const AMD_SMI: &str = r#"[ "$*" = "metric --json" ] || exit 2
echo "WARNING: User is missing the following required groups: render."
printf '[{"gpu": 0, "usage": {"gfx_activity": {"value": 97, "unit": "%%"}}, "power": {"socket_power": {"value": 400, "unit": "W"}},'
printf ' "temperature": {"edge": "N/A", "hotspot": {"value": 55, "unit": "C"}},'
printf ' "energy": {"total_energy_consumption": {"value": %s, "unit": "J"}}}]\n' "$(awk "BEGIN {printf \"%.3f\", 400 * ($(date +%s.%N) - 1700000000)}")"
"#;

#[test]
fn amd_smi_is_used_when_the_driver_reports_no_power() {
    // The driver is there, but says what MI325X says to rocm-smi.
    for power in [None, Some("2000000\n")] {
        let fixture = long_load_on(1, fixture("vendor: amd").tools(&[("amd-smi", AMD_SMI)]));
        fixture.write("sys/class/drm/card1/device/vendor", "0x1002\n");
        if let Some(power) = power {
            fixture.write("sys/class/drm/card1/device/hwmon/hwmon3/power1_average", power);
        }
        let root = fixture.path("sys").display().to_string();
        let fixture = fixture.environment("IMAX_SYSFS", &root);
        assert_power(&fixture, 400.0, 1);
        let energy = fixture.job()["points"][0]["energy"].clone();
        assert!(energy["counter_joules"].is_number(), "{energy}");
    }
}

#[test]
fn slow_amd_smi_is_waited_for() {
    let slow = format!("sleep 1.2\n{AMD_SMI}");
    let fixture = long_load_on(1, fixture("vendor: amd").tools(&[("amd-smi", &slow)]));
    fixture.write("sys/class/drm/card1/device/vendor", "0x1002\n");
    let root = fixture.path("sys").display().to_string();
    assert_power(&fixture.environment("IMAX_SYSFS", &root), 400.0, 1);
}

#[test]
fn amd_gpus_without_power_are_sampled_otherwise() {
    let fixture = fixture("vendor: amd").tools(&[("amd-smi", "echo 'ERROR: amdgpu is not loaded' >&2; exit 1")]);
    fixture.write("sys/class/drm/card1/device/vendor", "0x1002\n");
    fixture.write("sys/class/drm/card1/device/gpu_busy_percent", "97\n");
    let root = fixture.path("sys").display().to_string();
    let fixture = fixture.environment("IMAX_SYSFS", &root);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = "no power of GPUs: the amdgpu driver's files give none, and amd-smi failed (exit status: 1): ERROR: amdgpu is not loaded";
    assert_eq!(ended.stderr.matches(said).count(), 1, "{}", ended.stderr);
    assert_eq!(fixture.job()["points"][0]["energy"]["reason"], json!("no-power"));
    assert!(fixture.read("out/gpu_metrics.csv").contains(",97,"));
}

/// Something that answers each request by its path; gives its address.
pub fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let body = answer(head.split(' ').nth(1).unwrap_or_default());
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    format!("http://{address}")
}

/// An exporter of a node with one GPU that draws 300 W, and whose counter says that it draws `counted`.
fn exporter(node: &str, counted: f64) -> String {
    let (node, start) = (node.to_owned(), Instant::now());
    let address = serve(move |_| {
        let labels = format!("{{gpu=\"0\",UUID=\"GPU-{node}\",modelName=\"NVIDIA GB200\",Hostname=\"{node}\"}}");
        let energy = 1e9 + start.elapsed().as_secs_f64() * counted * 1e3;
        format!(
            "# TYPE DCGM_FI_DEV_POWER_USAGE gauge\nDCGM_FI_DEV_POWER_USAGE{labels} 300\nDCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{labels} {energy:.0}\n"
        )
    });
    format!("{address}/metrics")
}

/// A load of some seconds on two GPUs, over which a counter's noise does not matter.
pub fn long_load(fixture: Fixture) -> Fixture {
    long_load_on(2, fixture)
}

fn long_load_on(gpus: u32, fixture: Fixture) -> Fixture {
    fixture.row(|row| {
        row["tp"] = json!(gpus);
        row["osl"] = json!(300);
        row["max-model-len"] = json!(400);
    });
    fixture.arguments(&["--num-prompts-per-conc", "6"])
}

#[test]
fn dcgm_exporters_give_the_power_of_several_nodes() {
    let profile = |counted| format!("telemetry: {{dcgm: ['{}', '{}']}}", exporter("n1", 300.0), exporter("n2", counted));
    let fixture = long_load(fixture(&profile(300.0)));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let energy = fixture.job()["points"][0]["energy"].clone();
    assert!(close(&energy["average_w"], 600.0), "{energy}");
    let (joules, counted) = (energy["joules"].as_f64().unwrap(), energy["counter_joules"].as_f64().unwrap());
    assert!((joules - counted).abs() < 0.05 * joules, "{energy}");
    assert!(fixture.read("out/gpu_metrics.csv").contains(",n2,"));
    assert_eq!(agg(&fixture)["power_valid"], json!(1));
}

#[test]
fn power_that_contradicts_the_energy_counter_is_left_out() {
    let fixture = long_load(fixture(&format!(
        "telemetry: {{dcgm: ['{}', '{}']}}",
        exporter("n1", 300.0),
        exporter("n2", 700.0)
    )));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        fixture.job()["points"][0]["energy"],
        json!({ "status": "unknown", "reason": "counter-mismatch" })
    );
    let agg = agg(&fixture);
    assert_eq!(agg["power_valid"], json!(0));
    assert!(agg.get("avg_power_w").is_none());
}

#[test]
fn missing_tool_is_reported_once_and_energy_is_unknown() {
    // The checks before the job get their answers.
    let fails = "case \"$1\" in --query-gpu=timestamp*) echo 'NVIDIA-SMI has failed' >&2; exit 9 ;; esac";
    let fixture = fixture("vendor: nvidia").tools(&[("nvidia-smi", &format!("{fails}\n{NVIDIA_SMI}"))]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("no GPU telemetry").count(), 1, "{}", ended.stderr);
    assert_eq!(
        fixture.job()["points"][0]["energy"],
        json!({ "status": "unknown", "reason": "no-power" })
    );
}

#[test]
fn required_power_decides_whether_a_job_is_a_success() {
    // The checks before the job get their answers.
    const NO_SAMPLES: &str = "case \"$1\" in --query-gpu=timestamp*) exit 9 ;; esac";
    const FROM_PROFILE: &str = "environment: {REQUIRE_POWER: \"yes\"}";
    // What fails, the variable of the process, the profile, the GPUs of the row, and the reason of the failure.
    for (before, variable, profile, gpus, reason) in [
        ("", "1", "", 2, None),
        (NO_SAMPLES, "0", "", 2, None),
        (NO_SAMPLES, "true", "", 2, Some("no sample has a power")),
        (NO_SAMPLES, "", FROM_PROFILE, 2, Some("no sample has a power")),
        ("", "1", "", 1, Some("the number of sampled GPUs is not that of the row")),
    ] {
        let tool = format!("{before}\n{NVIDIA_SMI}");
        let fixture = fixture(&format!("vendor: nvidia\nretries: {{attempts: 1}}\n{profile}")).tools(&[("nvidia-smi", &tool)]);
        fixture.row(|row| row["tp"] = json!(gpus));
        let fixture = fixture.environment("REQUIRE_POWER", variable);
        let ended = fixture.run();
        let point = fixture.job()["points"][0].clone();
        let agg = agg_of(&fixture);
        assert_eq!(
            ended.code,
            Some(if reason.is_some() { 1 } else { 0 }),
            "{before} {variable}: {}",
            ended.stderr
        );
        // The result is written all the same, so that it can be looked at.
        let is_known = before.is_empty() && gpus == 2;
        assert_eq!(agg["power_valid"], json!(i32::from(is_known)), "{agg}");
        if let Some(reason) = reason {
            assert!(point["outcome"].to_string().contains(reason), "{point}");
            assert!(
                ended.stderr.contains("REQUIRE_POWER is set") && ended.stderr.contains(reason),
                "{}",
                ended.stderr
            );
        }
    }
}

/// The normalised result, also of a point that failed.
fn agg_of(fixture: &Fixture) -> Value {
    let out = fixture.path("out");
    let names = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names
        .filter(|name| name.starts_with("agg_"))
        .min()
        .unwrap_or_else(|| panic!("no result in {}", out.display()));
    serde_json::from_str(&fixture.read(&format!("out/{name}"))).unwrap()
}

#[test]
fn host_is_sampled() {
    let fixture = long_load(fixture("vendor: none"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let csv = fixture.read("out/host_metrics.csv");
    assert!(csv.starts_with("timestamp_unix_s,cpu_percent,") && csv.lines().count() > 2, "{csv}");
    let used = &fixture.job()["points"][0]["host_use"];
    assert!(
        used["peak_memory_mib"].as_f64().unwrap() > 0.0 && used["mean_cpu_percent"].as_f64().unwrap() > 0.0,
        "{used}"
    );
}
