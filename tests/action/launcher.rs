//! `dist/imax.sh` on its own: where it finds the binary, and what it refuses to run.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{Finish as _, project};
use crate::{PLATFORM, text};
use tempfile::TempDir;

/// The version of the action under test.
const VERSION: &str = "9.9.9";

/// What stands for the binary where only finding it is tested.
const STAND_IN: &str = "#!/bin/sh\necho \"stand-in $*\"\n";

/// A copy of what the launcher script looks at, without a binary.
fn action_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("dist")).unwrap();
    fs::copy(project().join("dist/imax.sh"), folder.path().join("dist/imax.sh")).unwrap();
    fs::write(folder.path().join("dist/pins.txt"), "# none\n").unwrap();
    fs::write(folder.path().join("Cargo.toml"), format!("version = \"{VERSION}\"\n")).unwrap();
    folder
}

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn launch(action: &Path, cache: &Path, path: &str) -> Output {
    launch_version(action, cache, path, "")
}

/// Launches with the input `version`.
fn launch_version(action: &Path, cache: &Path, path: &str, version: &str) -> Output {
    Command::new("bash")
        .arg(action.join("dist/imax.sh"))
        .args(["run", "--row", "a b"])
        .env_clear()
        // What a step of the action sets; the command is its own only behind the word `action`.
        .env("IMAX_ACTION_COMMAND", "plan")
        .env("IMAX_ACTION_VERSION", version)
        .env("PATH", path)
        .env("HOME", cache)
        .env("RUNNER_TOOL_CACHE", cache)
        .finish()
}

/// Serves one body to the given number of requests.
fn serve(body: &'static str, requests: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(requests) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    format!("http://{address}/imax")
}

fn sha256(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

#[test]
fn bundled_binary_gets_the_arguments() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    executable(&action.path().join(format!("dist/bin/{PLATFORM}/imax")), STAND_IN);
    let output = launch(action.path(), cache.path(), SYSTEM_PATH);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "stand-in run --row a b\n");
}

#[test]
fn version_of_the_action_itself_takes_the_bundled_binary() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    executable(&action.path().join(format!("dist/bin/{PLATFORM}/imax")), STAND_IN);
    for version in [VERSION.to_owned(), format!("v{VERSION}")] {
        let output = launch_version(action.path(), cache.path(), SYSTEM_PATH, &version);
        assert_eq!(text(&output.stdout), "stand-in run --row a b\n", "{}", text(&output.stderr));
    }
}

#[test]
fn version_without_a_pin_is_refused_with_the_known_ones() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    executable(&action.path().join(format!("dist/bin/{PLATFORM}/imax")), STAND_IN);
    let line = |version: &str| format!("{version} {PLATFORM} imax {} http://127.0.0.1:1/imax\n", sha256(STAND_IN));
    fs::write(action.path().join("dist/pins.txt"), line("0.2.0") + &line("0.3.1")).unwrap();
    let output = launch_version(action.path(), cache.path(), SYSTEM_PATH, "0.4.0");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(4), String::new()));
    let error = text(&output.stderr);
    assert!(error.contains("no pin for imax 0.4.0"), "{error}");
    assert!(error.contains("this action is 9.9.9 and has pins for 0.2.0, 0.3.1"), "{error}");
}

#[test]
#[ignore = "needs curl"]
fn earlier_version_is_downloaded_by_its_pin_although_one_is_bundled() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    executable(
        &action.path().join(format!("dist/bin/{PLATFORM}/imax")),
        "#!/bin/sh\necho bundled\n",
    );
    let url = serve(STAND_IN, 1);
    fs::write(
        action.path().join("dist/pins.txt"),
        format!("0.2.0 {PLATFORM} imax {} {url}\n", sha256(STAND_IN)),
    )
    .unwrap();
    let output = launch_version(action.path(), cache.path(), SYSTEM_PATH, "0.2.0");
    assert_eq!(text(&output.stdout), "stand-in run --row a b\n", "{}", text(&output.stderr));
}

#[test]
fn missing_binary_pin_and_cargo_is_an_error_with_remedy() {
    let action = action_folder();
    for name in [
        "Cargo.lock",
        "build.rs",
        "dist/commit.txt",
        "src",
        "configs",
        "benchmarks",
        "runners",
    ] {
        fs::create_dir(action.path().join(name)).unwrap();
    }
    let cache = tempfile::tempdir().unwrap();
    let output = launch(action.path(), cache.path(), SYSTEM_PATH);
    assert_eq!(output.status.code(), Some(4));
    let error = text(&output.stderr);
    assert!(error.contains("no cargo to build one") && error.starts_with("::error "), "{error}");
}

#[test]
#[ignore = "needs curl"]
fn pinned_download_is_cached() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    let url = serve(STAND_IN, 1);
    fs::write(
        action.path().join("dist/pins.txt"),
        format!("{VERSION} {PLATFORM} imax {} {url}\n", sha256(STAND_IN)),
    )
    .unwrap();
    for _ in 0..2 {
        let output = launch(action.path(), cache.path(), SYSTEM_PATH);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "stand-in run --row a b\n");
    }
}

/// Stands for an imax that says whether its companion lies beside it.
const LOOKS_BESIDE: &str = "#!/bin/sh\nif [ -x \"${0%/*}/imax-nvml\" ]; then echo with; else echo without; fi\n";

#[test]
#[ignore = "needs curl"]
fn nvml_binary_is_optional() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    let imax = format!("{VERSION} {PLATFORM} imax {} {}\n", sha256(LOOKS_BESIDE), serve(LOOKS_BESIDE, 1));
    let said = |nvml: &str, url: &str| {
        let pin = format!("{VERSION} {PLATFORM} imax-nvml {} {url}\n", sha256(nvml));
        fs::write(action.path().join("dist/pins.txt"), format!("{imax}{pin}")).unwrap();
        let output = launch(action.path(), cache.path(), SYSTEM_PATH);
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    let (found, told) = said(STAND_IN, "http://127.0.0.1:1/imax-nvml");
    assert_eq!(found, "without\n");
    assert!(told.contains("::notice title=imax::cannot download"), "{told}");
    // Another file than the pinned one is not taken.
    assert_eq!(said(STAND_IN, &serve("#!/bin/sh\necho evil\n", 1)).0, "without\n");
    // The next job tries again, and imax itself is not fetched twice.
    assert_eq!(said(STAND_IN, &serve(STAND_IN, 1)).0, "with\n");
    assert_eq!(said(STAND_IN, "http://127.0.0.1:1/imax-nvml"), ("with\n".to_owned(), String::new()));
}

#[test]
#[ignore = "needs curl"]
fn download_with_wrong_checksum_is_refused() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    let url = serve("#!/bin/sh\necho evil\n", 1);
    fs::write(
        action.path().join("dist/pins.txt"),
        format!("{VERSION} {PLATFORM} imax {} {url}\n", sha256(STAND_IN)),
    )
    .unwrap();
    let output = launch(action.path(), cache.path(), SYSTEM_PATH);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).contains("nothing of it was run"), "{}", text(&output.stderr));
}

/// A program that must never run.
const TROJAN: &str = "#!/bin/sh\necho trojan\n";

#[test]
fn replaced_binary_in_the_cache_is_removed_and_not_run() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    let pin = format!("{VERSION} {PLATFORM} imax {} http://127.0.0.1:1/imax\n", sha256(STAND_IN));
    fs::write(action.path().join("dist/pins.txt"), pin).unwrap();
    let cached = cache.path().join(format!("imax/pin-{}/imax", sha256(STAND_IN)));
    executable(&cached, TROJAN);
    let output = launch(action.path(), cache.path(), SYSTEM_PATH);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(4), String::new()));
    let told = text(&output.stderr);
    assert!(told.contains("::warning") && told.contains("removed without running it"), "{told}");
    assert!(!cached.exists());
    // A link may lead to another file after its check.
    let elsewhere = cache.path().join("elsewhere");
    executable(&elsewhere, STAND_IN);
    std::os::unix::fs::symlink(&elsewhere, &cached).unwrap();
    assert_eq!(launch(action.path(), cache.path(), SYSTEM_PATH).status.code(), Some(4));
    // The right one is run.
    executable(&cached, STAND_IN);
    let output = launch(action.path(), cache.path(), SYSTEM_PATH);
    assert_eq!(text(&output.stdout), "stand-in run --row a b\n", "{}", text(&output.stderr));
}

#[test]
fn companion_that_is_not_the_pinned_one_is_removed() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    let pin = format!("{VERSION} {PLATFORM} imax {} http://127.0.0.1:1/imax\n", sha256(LOOKS_BESIDE));
    fs::write(action.path().join("dist/pins.txt"), pin).unwrap();
    let folder = cache.path().join(format!("imax/pin-{}", sha256(LOOKS_BESIDE)));
    executable(&folder.join("imax"), LOOKS_BESIDE);
    executable(&folder.join("imax-nvml"), TROJAN);
    let output = launch(action.path(), cache.path(), SYSTEM_PATH);
    assert_eq!(text(&output.stdout), "without\n", "{}", text(&output.stderr));
}

#[test]
fn cache_is_made_private() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    let pin = format!("{VERSION} {PLATFORM} imax {} http://127.0.0.1:1/imax\n", sha256(STAND_IN));
    fs::write(action.path().join("dist/pins.txt"), pin).unwrap();
    let folder = cache.path().join(format!("imax/pin-{}", sha256(STAND_IN)));
    executable(&folder.join("imax"), STAND_IN);
    for open in [cache.path().join("imax"), folder.clone()] {
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    }
    assert!(launch(action.path(), cache.path(), SYSTEM_PATH).status.success());
    for private in [cache.path().join("imax"), folder] {
        assert_eq!(
            fs::metadata(&private).unwrap().permissions().mode() & 0o022,
            0,
            "{}",
            private.display()
        );
    }
}

#[test]
fn bundled_binary_that_is_not_the_pinned_one_is_refused() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    executable(&action.path().join(format!("dist/bin/{PLATFORM}/imax")), TROJAN);
    let pin = format!("{VERSION} {PLATFORM} imax {} http://127.0.0.1:1/imax\n", sha256(STAND_IN));
    fs::write(action.path().join("dist/pins.txt"), pin).unwrap();
    let output = launch(action.path(), cache.path(), SYSTEM_PATH);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(4), String::new()));
    assert!(text(&output.stderr).contains("nothing of it was run"), "{}", text(&output.stderr));
}

/// A stand-in of curl that copies the file `release`, whatever the address, and one of gh that keeps its arguments and judges by the file
/// `verdict`: the exit status of `gh attestation verify`, or `unknown` for a gh that knows no attestations.
fn release_tools(folder: &Path) -> String {
    let place = folder.display();
    executable(
        &folder.join("bin/curl"),
        &format!("#!/bin/sh\nwhile [ \"$1\" != --output ]; do shift; done\nexec cp {place}/release \"$2\"\n"),
    );
    executable(
        &folder.join("bin/gh"),
        &format!(
            "#!/bin/sh\nread verdict < {place}/verdict\n\
             if [ \"$3\" = --help ]; then [ \"$verdict\" != unknown ]; exit; fi\n\
             echo \"$@\" >> {place}/asked\ncmp -s \"$3\" {place}/release || exit 9\nexit \"$verdict\"\n"
        ),
    );
    fs::write(folder.join("release"), STAND_IN).unwrap();
    format!("{place}/bin:{SYSTEM_PATH}")
}

#[test]
fn download_whose_attestation_is_refused_is_not_run() {
    const SLUG: &str = "org/imax-action";
    let url = format!("https://github.com/{SLUG}/releases/download/v{VERSION}/imax");
    let elsewhere = "https://mirror.example/imax".to_owned();
    for (verdict, token, url, runs, is_asked) in [
        ("1", "GH_TOKEN", &url, false, true),
        ("0", "GH_TOKEN", &url, true, true),
        ("1", "GITHUB_TOKEN", &url, false, true),
        // What cannot be asked is left to the checksum: no token, a gh that knows no attestations, a release of another owner.
        ("1", "UNUSED", &url, true, false),
        ("unknown", "GH_TOKEN", &url, true, false),
        ("1", "GH_TOKEN", &elsewhere, true, false),
    ] {
        let case = format!("{verdict}, {token}, {url}");
        let (action, cache, tools) = (action_folder(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = release_tools(tools.path());
        fs::write(tools.path().join("verdict"), format!("{verdict}\n")).unwrap();
        let manifest = format!("version = \"{VERSION}\"\nrepository = \"https://github.com/{SLUG}\"\n");
        fs::write(action.path().join("Cargo.toml"), manifest).unwrap();
        let pin = format!("{VERSION} {PLATFORM} imax {} {url}\n", sha256(STAND_IN));
        fs::write(action.path().join("dist/pins.txt"), pin).unwrap();
        // The second time, a refused binary must not be found in the cache.
        for time in 1..=2 {
            let output = Command::new("bash")
                .arg(action.path().join("dist/imax.sh"))
                .arg("plan")
                .env_clear()
                .env("PATH", &path)
                .env("HOME", cache.path())
                .env("RUNNER_TOOL_CACHE", cache.path())
                .env(token, "token")
                .finish();
            let (said, error) = (text(&output.stdout), text(&output.stderr));
            if runs {
                assert_eq!(
                    (output.status.code(), said.as_str()),
                    (Some(0), "stand-in plan\n"),
                    "{case}: {error}"
                );
            } else {
                assert_eq!((output.status.code(), said.as_str()), (Some(4), ""), "{case}, time {time}");
                assert!(error.contains(&format!("has no valid attestation of {SLUG}")), "{case}: {error}");
            }
        }
        let asked = fs::read_to_string(tools.path().join("asked")).unwrap_or_default();
        assert_eq!(!asked.is_empty(), is_asked, "{case}: {asked}");
        // A binary that was accepted is in the cache and not asked about again; a refused one is downloaded and asked about each time.
        let times = if is_asked { if runs { 1 } else { 2 } } else { 0 };
        assert_eq!(asked.lines().count(), times, "{case}: {asked}");
        assert!(
            asked
                .lines()
                .all(|line| line.starts_with("attestation verify ") && line.ends_with(&format!(" --repo {SLUG}"))),
            "{asked}"
        );
    }
}
