//! The HTML page in a real browser: its script runs without a complaint, and an address shows what it says.

use std::process::Command;

use crate::scene::{Scene, row};

fn page() -> Scene {
    let scene = Scene::new();
    for (conc, hardware) in [(4, "h100"), (16, "h100"), (8, "mi300x")] {
        let mut row = row(conc);
        row["runner"] = hardware.into();
        scene.measured(&format!("run/{conc}"), &row, 1000.0 * f64::from(conc));
    }
    let ended = scene.imax(&["report", "run", "--format", "html", "--costs", "--out", "page.html"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    scene
}

/// The document after the script has run, and what the console said.
fn opened(scene: &Scene, address: &str) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
        ])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--allow-file-access-from-files",
            "--virtual-time-budget=5000",
        ])
        .args(["--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}{address}", scene.path("page.html").display()))
        .output()
        .expect("chromium is installed");
    let document = String::from_utf8_lossy(&output.stdout).into_owned();
    (document, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn rows(document: &str) -> (usize, usize) {
    let rows: Vec<&str> = document.split("<tr ").skip(1).filter(|row| row.contains("data-point=")).collect();
    let hidden = rows.iter().filter(|row| row.split('>').next().unwrap().contains("hidden"));
    (rows.len(), hidden.count())
}

#[test]
#[ignore = "needs chromium"]
fn an_address_hides_what_it_does_not_name() {
    let scene = page();
    let (document, console) = opened(&scene, "");
    assert_eq!(rows(&document), (3, 0));
    assert!(
        document.contains("3 of 3 points") && document.contains("main-svg"),
        "nothing was drawn"
    );
    assert!(!console.contains("CONSOLE"), "{console}");
    let (document, console) = opened(&scene, "#hardware=mi300x&x=conc&y=cost&logx=1&logy=1");
    assert_eq!(rows(&document), (3, 2));
    assert!(
        document.contains("1 of 3 points") && document.contains("$/M tok</text>"),
        "the axis is not the one of the address"
    );
    assert!(!console.contains("CONSOLE"), "{console}");
    let (document, _) = opened(&scene, "#no-hardware=mi300x&model=demo");
    assert_eq!(rows(&document), (3, 1));
}
