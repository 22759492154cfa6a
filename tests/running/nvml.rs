//! NVIDIA's library, which a process of its own reads: a stand-in that is compiled here, and which can crash and hang.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::doctor::NVIDIA_SMI;
use super::fixture::Fixture;
use super::telemetry::{agg, assert_power, close, fixture, long_load};
use crate::harness::{Finish as _, clean_command, nvml_program, program, wait_until};

/// Compiles the stand-in into a folder.
fn library(folder: &Path, defines: &[&str]) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let library = folder.join("libnvidia-ml.so.1");
    let compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .args(defines)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/running/nvml/library.c"))
        .output();
    let compiler = compiler.expect("cc, a C compiler, is there");
    assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
    library
}

/// A fixture with the stand-in. Its path has the fixture's mark, so that a process that reads it is seen.
fn with_library(defines: &[&str]) -> Fixture {
    let fixture = long_load(fixture("vendor: nvidia").tools(&[("nvidia-smi", NVIDIA_SMI)]));
    let library = library(&fixture.path(&fixture.mark), defines);
    fixture.environment("IMAX_NVML", library.to_str().unwrap())
}

#[test]
fn nvml_gives_power_and_energy_counter() {
    let fixture = with_library(&["-DCOUNTED_W=500"]);
    assert_power(&fixture, 1000.0, 2);
    let energy = fixture.job()["points"][0]["energy"].clone();
    let (joules, counted) = (energy["joules"].as_f64().unwrap(), energy["counter_joules"].as_f64().unwrap());
    assert!((joules - counted).abs() < 0.05 * joules, "{energy}");
    let (csv, agg) = (fixture.read("out/gpu_metrics.csv"), agg(&fixture));
    assert!(
        csv.contains(",1,NVIDIA H100 80GB HBM3,500,90,1000,1700,60,0x0000000000000004,,"),
        "{csv}"
    );
    assert!(close(&agg["avg_temp_c"], 60.0), "{agg}");
    assert!(
        !fixture.results().iter().any(|name| name.ends_with(".lines")),
        "{:?}",
        fixture.results()
    );
}

#[test]
fn energy_counter_of_nvml_takes_precedence() {
    let fixture = with_library(&["-DCOUNTED_W=700"]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        fixture.job()["points"][0]["energy"],
        json!({ "status": "unknown", "reason": "counter-mismatch" })
    );
    assert_eq!(agg(&fixture)["power_valid"], json!(0));
}

#[test]
fn imax_without_imax_nvml_reads_the_library_itself() {
    let fixture = with_library(&["-DCOUNTED_W=500"]);
    let alone = fixture.path("alone/imax");
    std::fs::create_dir_all(alone.parent().unwrap()).unwrap();
    let built = program();
    std::fs::hard_link(built, &alone)
        .or_else(|_| std::fs::copy(built, &alone).map(drop))
        .unwrap();
    let fixture = fixture.program(alone);
    assert_power(&fixture, 1000.0, 2);
    assert!(fixture.job()["points"][0]["energy"]["counter_joules"].is_number());
}

#[test]
fn nvidia_smi_replaces_a_missing_library() {
    let fixture = fixture("vendor: nvidia").tools(&[("nvidia-smi", NVIDIA_SMI)]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = "GPUs are sampled with nvidia-smi, without their energy counters: ";
    assert_eq!(ended.stderr.matches(said).count(), 1, "{}", ended.stderr);
    assert_eq!(fixture.job()["points"][0]["energy"].get("counter_joules"), None);
}

#[test]
fn nvidia_smi_replaces_a_crashed_library() {
    let fixture = with_library(&["-DCOUNTED_W=500", "-DLOOKS_WELL=2"]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = "GPUs were sampled with nvidia-smi, without their energy counters: imax-nvml was killed by SIGKILL";
    assert_eq!(ended.stderr.matches(said).count(), 1, "{}", ended.stderr);
    let csv = fixture.read("out/gpu_metrics.csv");
    let (without, with): (Vec<&str>, Vec<&str>) = csv.lines().skip(1).partition(|line| line.ends_with(','));
    assert_eq!(with.len(), 2, "{csv}");
    assert!(!without.is_empty(), "{csv}");
    fixture.assert_nothing_runs();
}

#[test]
fn hanging_library_does_not_delay_the_end_of_a_job() {
    let fixture = with_library(&["-DCOUNTED_W=500", "-DLOOKS_WELL=0", "-DHANGS"]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = "no samples from NVIDIA's library";
    assert_eq!(ended.stderr.matches(said).count(), 1, "{}", ended.stderr);
    fixture.assert_nothing_runs();
}

fn start(library: &Path) -> Child {
    clean_command(nvml_program())
        .arg(library)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn reader_ends_with_its_owner_when_the_library_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let healthy = library(&folder.path().join("healthy"), &["-DCOUNTED_W=500"]);
    let hung = library(&folder.path().join("hung"), &["-DCOUNTED_W=500", "-DLOOKS_WELL=2", "-DHANGS"]);
    for library in [healthy, hung] {
        let mut reader = start(&library);
        let mut line = String::new();
        BufReader::new(reader.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let samples: Vec<serde_json::Value> = serde_json::from_str(&line).unwrap();
        assert_eq!((samples.len(), &samples[1]["power_w"]), (2, &json!(500.0)), "{line}");
        // As the kernel does when the owner dies.
        drop(reader.stdin.take());
        let reader = std::cell::RefCell::new(reader);
        wait_until("the reader has ended", || reader.borrow_mut().try_wait().unwrap().is_some());
    }
}

#[test]
fn reader_reports_what_is_missing() {
    let mut reader = clean_command(nvml_program())
        .arg("/nowhere/libnvidia-ml.so.1")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let held = reader.stdin.take();
    let ended = reader.wait_with_output().unwrap();
    drop(held);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(4), "{said}");
    assert!(said.starts_with("error: /nowhere/libnvidia-ml.so.1: "), "{said}");
    let ended = clean_command(nvml_program()).arg("--help").finish();
    assert_eq!(ended.status.code(), Some(2));
}
