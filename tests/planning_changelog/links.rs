//! A pull request can commit a link to any path of the machine that plans it: such a file is refused, and nothing of it is shown.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::{Finish as _, imax, write_file};

const CONFIG: &str = "demo-fp8-h100-sim: {image: 'i:1', model: m, model-prefix: demo, precision: fp8, framework: sim, runner: h100, \
    multinode: false, seq-len-configs: [{isl: 8, osl: 8, search-space: [{tp: 1, conc-start: 1, conc-end: 1}]}]}\n";

/// A checkout with one config, and a file beside it that no output may show.
fn checkout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "private", "text: of the host\n");
    write_file(folder.path(), "checkout/.git/config", "extraheader: of the host\n");
    write_file(folder.path(), "checkout/configs/demo-master.yaml", CONFIG);
    write_file(folder.path(), "checkout/configs/runners.yaml", "h100: [h100-a_0]\n");
    write_file(folder.path(), "checkout/benchmarks/demo_fp8_h100_sim.sh", "imax sim\n");
    folder
}

fn check(folder: &Path) -> (Option<i32>, String) {
    let output = imax()
        .args(["check", "--format", "human"])
        .current_dir(folder.join("checkout"))
        .finish();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains("of the host"), "{text}");
    (output.status.code(), text)
}

#[test]
fn files_of_the_checkout_do_not_lead_out_of_it() {
    for name in [
        "imax.yaml",
        "perf-changelog.yaml",
        "configs/demo-master.yaml",
        "configs/runners.yaml",
    ] {
        for target in ["private", "checkout/.git/config"] {
            let folder = checkout();
            let path = folder.path().join("checkout").join(name);
            let _ = fs::remove_file(&path);
            symlink(folder.path().join(target), &path).unwrap();
            let (code, text) = check(folder.path());
            assert_eq!(code, Some(3), "{name} to {target}: {text}");
            assert!(text.contains("expected a file of the repository"), "{name} to {target}: {text}");
        }
    }
}

#[test]
fn fifo_in_the_checkout_does_not_hang() {
    for name in ["imax.yaml", "perf-changelog.yaml", "configs/demo-master.yaml"] {
        let folder = checkout();
        let path = folder.path().join("checkout").join(name);
        let _ = fs::remove_file(&path);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let (code, text) = check(folder.path());
        assert_eq!(code, Some(3), "{name}: {text}");
        assert!(text.contains("found a FIFO, expected a regular file"), "{name}: {text}");
    }
}

#[test]
fn link_inside_the_checkout_is_read() {
    let folder = checkout();
    let checkout = folder.path().join("checkout");
    fs::rename(checkout.join("configs/demo-master.yaml"), checkout.join("shared.yaml")).unwrap();
    symlink("../shared.yaml", checkout.join("configs/demo-master.yaml")).unwrap();
    let (_, text) = check(folder.path());
    assert!(!text.contains("expected a file of the repository"), "{text}");
    let matrix = imax().args(["matrix", "full-sweep"]).current_dir(&checkout).finish();
    assert!(
        String::from_utf8_lossy(&matrix.stdout).contains("demo"),
        "{}",
        String::from_utf8_lossy(&matrix.stderr)
    );
}
