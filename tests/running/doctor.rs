//! `imax doctor` and the preflight of `imax run`, on nodes that stand-ins for nvidia-smi and a tree of driver files make.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::fixture::Fixture;
use super::stopwatch::Stopwatch;
use super::success::ENGINE;
use crate::harness::Finished;

/// Recorded from nvidia-smi 570, two GPUs; `apps` and `used` are files that a test changes.
pub const NVIDIA_SMI: &str = r#"case "$1" in
  --query-gpu=index*)
    echo "0, GPU-aaaa, NVIDIA H100 80GB HBM3, 570.86.15, 81559, $(cat used 2>/dev/null || echo 4), 345, 1980, 700.00, 0x0000000000000001"
    echo "1, GPU-bbbb, NVIDIA H100 80GB HBM3, 570.86.15, 81559, 4, 345, 1980, 700.00, 0x0000000000000001" ;;
  --query-compute-apps=*) cat apps 2>/dev/null || true ;;
  --query-gpu=timestamp*) while :; do for g in 0 1; do echo "$(date -u '+%Y/%m/%d %H:%M:%S.%3N'), $g, NVIDIA H100 80GB HBM3, 500.00, 90, 1000, 1700, 60, 0x4"; done; sleep 0.2; done ;;
  *) echo "| NVIDIA-SMI 570.86.15    Driver Version: 570.86.15    CUDA Version: 12.8     |" ;;
esac"#;

pub fn nvidia(profile: &str) -> Fixture {
    let fixture = Fixture::with_recipe(ENGINE).tools(&[("nvidia-smi", NVIDIA_SMI), ("timedatectl", "echo yes")]);
    fixture.write(
        "runners/h100-a.yaml",
        &format!("launcher: local\nvendor: nvidia\nretries: {{attempts: 1}}\n{profile}"),
    );
    fixture
}

pub fn findings(ended: &Finished) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr))
}

pub fn finding(examination: &Value, check: &str) -> (String, String) {
    let all = examination["findings"].as_array().unwrap();
    let found = all
        .iter()
        .find(|finding| finding["check"] == check)
        .unwrap_or_else(|| panic!("{check}: {examination}"));
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    (text("grade"), text("detail"))
}

#[test]
fn fit_node_is_shown_as_table_and_json() {
    let fixture = nvidia("node: {gpu-name: H100, gpus: 2, driver: '550'}\n").environment("HF_TOKEN", "hf_secret");
    let ended = fixture.doctor(&["--row", "row.json"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.contains("2 x NVIDIA H100 80GB HBM3") && ended.stdout.ends_with("profile h100-a: ok\n"),
        "{}",
        ended.stdout
    );
    let ended = fixture.doctor(&["--format", "json"]);
    let examination = findings(&ended);
    assert_eq!(examination["facts"]["toolkit"], json!("12.8"));
    assert_eq!(finding(&examination, "gpu-driver"), ("ok".to_owned(), "570.86.15".to_owned()));
    assert!(!ended.stdout.contains("hf_secret"));
}

#[test]
fn what_keeps_a_job_from_running_ends_with_4() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let fixture = nvidia("node: {gpu-name: B200, gpus: 8, driver: '600', free-disk-gib: 1e9}\nhf-cache: /no/such/cache\n");
    fixture.write("apps", "GPU-bbbb, 1, [Not Found]\n");
    fixture.write("used", "70000\n");
    let ended = fixture.doctor(&["--format", "json", "--port", &port]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let examination = findings(&ended);
    assert_eq!(examination["worst"], json!("failed"));
    for (check, grade, detail) in [
        ("gpu-number", "failed", "2 GPUs, expected at least 8"),
        ("gpu-kind", "failed", "expected B200"),
        ("gpu-driver", "failed", "at least 600"),
        ("gpu-idle", "failed", "(1) on GPU 1"),
        ("gpu-memory", "failed", "GPU 0: 70000 MiB"),
        ("disk", "failed", "results"),
        ("port", "failed", "taken by another process"),
        ("hub-token", "warning", "HF_TOKEN is not set"),
        ("hub-cache", "warning", "/no/such/cache: does not exist"),
        ("clock", "ok", "synchronised"),
        ("leftovers", "ok", ""),
    ] {
        let found = finding(&examination, check);
        assert!(found.0 == grade && found.1.contains(detail), "{check}: {found:?}");
    }
    // A job that may use only the other GPU is not disturbed by this one's process.
    let ended = fixture.environment("CUDA_VISIBLE_DEVICES", "0").doctor(&["--format", "json"]);
    assert_eq!(finding(&findings(&ended), "gpu-idle").0, "ok");
}

#[test]
fn amd_node_is_read_from_driver_files() {
    let fixture = Fixture::with_recipe(ENGINE);
    fixture.write("runners/h100-a.yaml", "launcher: local\nvendor: amd\nnode: {gpu-name: MI300X}\n");
    for (file, text) in [
        ("class/drm/card1/device/vendor", "0x1002\n"),
        ("class/drm/card1/device/product_name", "AMD Instinct MI300X OAM\n"),
        ("class/drm/card1/device/mem_info_vram_used", "300000000000\n"),
        ("class/drm/card1/device/mem_info_vram_total", "206141652992\n"),
        ("module/amdgpu/version", "6.10.5\n"),
        ("class/kfd/kfd/proc/1/vram_4711", "1048576\n"),
        ("class/kfd/kfd/proc/2/vram_4711", "0\n"),
    ] {
        fixture.write(&format!("sys/{file}"), text);
    }
    let root = fixture.path("sys").display().to_string();
    let ended = fixture.environment("IMAX_SYSFS", &root).doctor(&["--format", "json"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let examination = findings(&ended);
    assert_eq!(finding(&examination, "gpu-kind").0, "ok");
    assert_eq!(finding(&examination, "gpu-driver").1, "6.10.5");
    assert_eq!(finding(&examination, "gpu-clock").0, "unknown");
    assert!(finding(&examination, "gpu-idle").1.contains("(1); "), "{examination}");
    assert!(finding(&examination, "gpu-memory").1.contains("GPU 0: 286102 MiB"), "{examination}");
}

#[test]
fn missing_tools_are_a_warning_and_slurm_is_checked() {
    let fixture = Fixture::with_recipe(ENGINE).tools(&[
        ("sinfo", "echo slurm 22.05.8"),
        ("scontrol", "echo 'Slurmctld(primary) at head is DOWN'"),
    ]);
    fixture.write("runners/h100-a.yaml", "launcher: slurm\nvendor: nvidia\n");
    let ended = fixture.doctor(&[]);
    assert_eq!(ended.code, Some(4), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("slurm: slurm 22.05.8") && ended.stdout.contains("is DOWN"),
        "{}",
        ended.stdout
    );
    assert!(
        !ended.stdout.contains("gpu-number"),
        "the GPUs of a scheduler's nodes are not here: {}",
        ended.stdout
    );
    fixture.write(
        "runners/h100-a.yaml",
        "launcher: docker\nvendor: nvidia\ndocker: {socket: /no/such.sock}\n",
    );
    let ended = fixture.doctor(&[]);
    assert!(
        ended.stdout.contains("cannot read the GPUs") || ended.stdout.contains("gpu-kind"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("container engine does not answer"), "{}", ended.stdout);
    assert_eq!(fixture.doctor(&["--profile", "other"]).code, Some(3));
}

#[test]
fn job_on_an_unfit_node_starts_nothing() {
    let fixture = nvidia("node: {gpu-name: B200}\n");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let job = fixture.job();
    let reason = job["outcome"]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the node is not fit: gpu-kind: NVIDIA H100 80GB HBM3, expected B200"),
        "{reason}"
    );
    assert_eq!(job["phases"].as_array().unwrap().len(), 1);
}

#[test]
fn busy_gpus_are_waited_for_until_the_deadline() {
    let fixture = nvidia("deadlines: {clean: 1s}\n");
    fixture.write("apps", "GPU-aaaa, 1, python3\n");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let reason = fixture.job()["outcome"]["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains("did not become idle") && reason.contains("python3 (1) on GPU 0"),
        "{reason}"
    );
}

#[test]
fn job_continues_when_gpu_memory_is_free() {
    let fixture = nvidia("deadlines: {clean: 60s}\n");
    fixture.row(|row| row["tp"] = json!(2));
    fixture.write("used", "70000\n");
    let mut run = fixture.start();
    run.await_line("waiting for the GPUs: gpu-memory");
    fixture.write("used", "12\n");
    let ended = run.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    fixture.assert_nothing_runs();
}

#[test]
fn signal_ends_the_wait_for_gpus() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let fixture = nvidia("deadlines: {clean: 10m}\n");
        fixture.write("used", "70000\n");
        let mut run = fixture.start();
        run.await_line("waiting for the GPUs");
        let sent = Stopwatch::start();
        run.signal(signal);
        let ended = run.finish();
        sent.assert_cancelled_in_time(&ended.stderr);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert_eq!(fixture.job()["outcome"]["class"], json!("cancelled"));
    }
}

#[test]
fn signal_ends_a_preflight_with_a_hanging_tool() {
    let fixture = nvidia("").tools(&[("nvidia-smi", "touch asked; exec sleep @MARK@")]);
    let run = fixture.start();
    fixture.await_file("asked");
    let sent = Stopwatch::start();
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    sent.assert_cancelled_in_time(&ended.stderr);
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    fixture.assert_nothing_runs();
}
