//! GPU telemetry with tools that are not there on this machine: a stand-in for nvidia-smi on PATH, and a tree of driver
//! files as the amdgpu driver has them.

use serde_json::json;

use super::doctor::NVIDIA_SMI;
use super::success::ENGINE;
use super::world::World;

fn world(vendor: &str) -> World {
    let world = World::with_recipe(ENGINE);
    world.write("runners/h100-a.yaml", &format!("launcher: local\nvendor: {vendor}\n"));
    world
}

fn assert_power(world: &World, watts: f64, gpus: u32) {
    let ended = world.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let energy = &world.job()["points"][0]["energy"];
    assert_eq!(
        (&energy["status"], &energy["gpus"]),
        (&json!("measured"), &json!(gpus)),
        "{energy}\n{}",
        ended.stderr
    );
    assert!((energy["average_w"].as_f64().unwrap() - watts).abs() < 1e-6, "{energy}");
    let csv = world.read("out/gpu_metrics.csv");
    assert!(csv.lines().count() > 2 && csv.starts_with("timestamp_unix_s,gpu,"), "{csv}");
    world.assert_nothing_runs();
}

#[test]
fn nvidia_smi_gives_samples_and_the_energy_of_the_load() {
    let world = world("nvidia");
    world.row(|row| row["tp"] = json!(2));
    assert_power(&world.tools(&[("nvidia-smi", NVIDIA_SMI)]), 1000.0, 2);
}

#[test]
fn amdgpu_files_give_samples_and_the_energy_of_the_load() {
    let world = world("amd");
    for (file, text) in [
        ("vendor", "0x1002\n"),
        ("gpu_busy_percent", "97\n"),
        ("mem_info_vram_used", "1048576\n"),
        ("hwmon/hwmon3/power1_average", "400000000\n"),
        ("hwmon/hwmon3/temp1_input", "55000\n"),
    ] {
        world.write(&format!("sys/class/drm/card1/device/{file}"), text);
    }
    world.write("sys/class/drm/card0/device/vendor", "0x1a03\n");
    let root = world.path("sys").display().to_string();
    assert_power(&world.environment("IMAX_SYSFS", &root), 400.0, 1);
}

#[test]
fn a_missing_tool_is_said_once_and_the_energy_is_unknown() {
    let world = world("nvidia");
    let ended = world.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("no GPU telemetry").count(), 1, "{}", ended.stderr);
    assert_eq!(
        world.job()["points"][0]["energy"],
        json!({ "status": "unknown", "reason": "no-power" })
    );
}
