//! What `imax doctor` and the preflight of `imax run` make of GPUs that are lost, unknown, older, or AMD's.

use nix::sys::signal::Signal;
use serde_json::json;

use super::doctor::{NVIDIA_SMI, finding, findings, nvidia};
use super::fixture::Fixture;
use super::success::ENGINE;
use super::telemetry::long_load;

/// Two GPUs without names; processes 1 and 2 have memory on the first and on the second.
fn amd() -> Fixture {
    let fixture = Fixture::with_recipe(ENGINE);
    fixture.write("runners/h100-a.yaml", "launcher: local\nvendor: amd\nnode: {gpu-name: MI300X}\n");
    for card in [1, 2] {
        let device = format!("sys/class/drm/card{card}/device");
        fixture.write(&format!("{device}/vendor"), "0x1002\n");
        fixture.write(&format!("{device}/product_name"), "\n");
        fixture.write(&format!("{device}/pp_dpm_sclk"), "0: 132Mhz *\n1: 2100Mhz\n");
    }
    fixture.write("sys/class/drm/card1/device/drm/renderD128/dev", "226:128\n");
    // The second has no render device of its own, as in partitions; it is found by its unique number.
    fixture.write("sys/class/drm/card2/device/unique_id", "00000000000000ff\n");
    for (node, id, properties) in [
        (0, 0, "cpu_cores_count 96\n"),
        (1, 4711, "simd_count 1216\ndrm_render_minor 128\n"),
        (2, 815, "simd_count 1216\ndrm_render_minor 129\nunique_id 255\n"),
    ] {
        let folder = format!("sys/class/kfd/kfd/topology/nodes/{node}");
        fixture.write(&format!("{folder}/gpu_id"), &format!("{id}\n"));
        fixture.write(&format!("{folder}/properties"), properties);
    }
    fixture.write("sys/class/kfd/kfd/proc/1/vram_4711", "1048576\n");
    fixture.write("sys/class/kfd/kfd/proc/1/vram_815", "0\n");
    fixture.write("sys/class/kfd/kfd/proc/2/vram_815", "1048576\n");
    let root = fixture.path("sys").display().to_string();
    fixture.environment("IMAX_SYSFS", &root)
}

#[test]
fn job_on_other_gpus_of_an_amd_node_is_ignored() {
    let fixture = amd();
    let examination = findings(&fixture.doctor(&["--format", "json"]));
    let (grade, detail) = finding(&examination, "gpu-idle");
    assert!(
        grade == "failed" && detail.contains("(1) on GPU 0") && detail.contains("(2) on GPU 1"),
        "{detail}"
    );
    std::fs::remove_file(fixture.path("sys/class/kfd/kfd/proc/1/vram_4711")).unwrap();
    let ended = fixture.environment("HIP_VISIBLE_DEVICES", "0").doctor(&["--format", "json"]);
    let examination = findings(&ended);
    assert_eq!(finding(&examination, "gpu-idle").0, "ok", "{examination}");
    assert_eq!(ended.code, Some(0), "{examination}");
}

#[test]
fn missing_facts_of_an_amd_node_are_unknown() {
    let examination = findings(&amd().doctor(&["--format", "json"]));
    for (check, grade, detail) in [
        ("gpu-number", "ok", "2 x unnamed GPU"),
        ("gpu-kind", "warning", "does not say what GPU 0, 1 is, expected MI300X"),
        ("gpu-clock", "unknown", "up to 2100 MHz; unknown whether they are throttled"),
    ] {
        let found = finding(&examination, check);
        assert!(found.0 == grade && found.1.contains(detail), "{check}: {found:?}");
    }
    assert_eq!(examination["facts"]["gpus"]["Ok"][0]["clock_mhz"], json!(132.0));
}

#[test]
fn lost_gpu_fails_the_preflight() {
    let lost = "Unable to determine the device handle for GPU0000:3B:00.0: GPU is lost.  Reboot the system to recover this GPU";
    let row = "0, GPU-aaaa, NVIDIA H100 80GB HBM3, 570.86.15, 81559, 4, 345, 1980, 700.00, 0x1";
    for script in [
        format!("echo '{lost}'; exit 15"),
        // Beside a GPU that works, with a good end.
        format!("case \"$1\" in --query-gpu=*) echo '{row}'; echo '{lost}' ;; esac"),
        format!("case \"$1\" in --query-gpu=*) echo '{row}'; echo '1, GPU-bbbb, NVIDIA H100, [GPU is lost], , , , , , ' ;; esac"),
    ] {
        let fixture = Fixture::with_recipe("touch ran").tools(&[("nvidia-smi", &script)]);
        fixture.write("runners/h100-a.yaml", "launcher: local\nvendor: nvidia\nnode: {gpus: 1}\n");
        let ended = fixture.doctor(&["--format", "json"]);
        assert_eq!(ended.code, Some(4), "{}", ended.stderr);
        let examination = findings(&ended);
        for check in ["gpu-number", "gpu-idle"] {
            let (grade, detail) = finding(&examination, check);
            assert!(grade == "failed" && detail.contains("GPU is lost"), "{check}: {detail}");
        }
        let ended = fixture.run();
        assert_eq!(ended.code, Some(4), "{}", ended.stderr);
        let outcome = fixture.job()["outcome"].clone();
        assert_eq!(
            (&outcome["class"], &outcome["cause"]),
            (&json!("infra"), &json!("gpu-lost")),
            "{outcome}"
        );
        assert!(!fixture.path("ran").exists());
    }
}

#[test]
fn missing_nvidia_smi_fails_when_the_profile_requires_gpus() {
    for (node, grade, code) in [("", "warning", 0), ("node: {gpus: 8}\n", "failed", 4)] {
        let fixture = Fixture::with_recipe(ENGINE);
        fixture.write("runners/h100-a.yaml", &format!("launcher: local\nvendor: nvidia\n{node}"));
        std::fs::create_dir(fixture.path("empty")).unwrap();
        let nothing = fixture.path("empty").display().to_string();
        let ended = fixture.environment("PATH", &nothing).doctor(&["--format", "json"]);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        let found = finding(&findings(&ended), "gpu-number");
        assert!(found.0 == grade && found.1.contains("nvidia-smi is not installed"), "{found:?}");
    }
}

#[test]
fn older_driver_is_queried_by_older_field_names() {
    let unknown = r#"case "$1" in *clocks_event_reasons.active*|*power.draw.instant*)
        echo 'Field "clocks_event_reasons.active" is not a valid field to query.'; exit 2 ;; esac"#;
    let fixture = nvidia("node: {gpus: 2}\n").tools(&[("nvidia-smi", &format!("{unknown}\n{NVIDIA_SMI}"))]);
    let fixture = long_load(fixture);
    let examination = findings(&fixture.doctor(&["--format", "json"]));
    assert_eq!(finding(&examination, "gpu-number").0, "ok", "{examination}");
    assert_eq!(finding(&examination, "gpu-clock").0, "ok", "{examination}");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let csv = fixture.read("out/gpu_metrics.csv");
    assert!(
        csv.contains(",1,NVIDIA H100 80GB HBM3,500,90,1000,1700,60,0x4,"),
        "{csv}{}",
        ended.stderr
    );
}

#[test]
fn children_of_a_tool_are_neither_awaited_nor_left() {
    let wrapper = format!("sleep @MARK@ &\n{NVIDIA_SMI}");
    let fixture = nvidia("node: {gpus: 2}\n").tools(&[("nvidia-smi", &wrapper)]);
    let ended = fixture.doctor(&["--format", "json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    fixture.await_no_processes();
    // Nor is a wrapper's child where a signal ends the wait.
    let fixture = nvidia("").tools(&[("nvidia-smi", "sleep @MARK@ & touch asked; wait")]);
    let run = fixture.start_doctor(&[]);
    fixture.await_file("asked");
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    fixture.await_no_processes();
}
