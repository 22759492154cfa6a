//! The image cache with a fake `enroot` on PATH: one import for many jobs, and never half an image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::harness::{Finish as _, imax, wait_until};

/// Enroot's import as far as the cache sees it: it takes its time, and writes a file that begins as a squash file does.
/// Each call leaves a line in `calls`; two at once for the same file would leave `broken`.
const ENROOT: &str = r#"#!/usr/bin/env bash
[ "$1 $2" = "import --output" ] || exit 9
here=$(dirname "$0")
echo "$4" >> "$here/calls"
mkdir "$here/busy" || touch "$here/broken"
if [ -e "$here/cut" ]; then rm "$here/cut"; printf 'hsqs' > "$3"; rmdir "$here/busy"; exit 0; fi
if [ -e "$here/fails" ]; then printf 'hsqs' > "$3"; rmdir "$here/busy"; echo "[ERROR] 401 Unauthorized" >&2; exit 1; fi
while [ -e "$here/slow" ]; do sleep 0.05; done
{ printf 'hsqs'; head -c 36 /dev/zero; printf '\140\0\0\0\0\0\0\0'; head -c 48 /dev/zero; } > "$3"
rmdir "$here/busy"
"#;

struct Cache {
    folder: tempfile::TempDir,
}

impl Cache {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let enroot = folder.path().join("enroot");
        fs::write(&enroot, ENROOT).unwrap();
        fs::set_permissions(&enroot, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = imax();
        command
            .args(["import-image", "--image", "nvcr.io/org/engine:1", "--cache"])
            .arg(self.path("cache"));
        command.env(
            "PATH",
            format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap()),
        );
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn import(&self) -> Output {
        self.command().finish()
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.path("calls")).map_or(0, |text| text.lines().count())
    }

    fn images(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("cache"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".lock") && name != "imax-entry.sh").collect()
    }
}

fn printed(output: &Output) -> PathBuf {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

#[test]
fn concurrent_jobs_import_an_image_once() {
    let cache = Cache::new();
    fs::write(cache.path("slow"), "").unwrap();
    let first = cache.command().spawn().unwrap();
    wait_until("the first imports", || cache.calls() == 1);
    let mut second = cache.command().spawn().unwrap();
    let mut said = String::new();
    let stderr = std::io::BufReader::new(second.stderr.take().unwrap());
    for line in std::io::BufRead::lines(stderr) {
        said.push_str(&line.unwrap());
        if said.contains("waiting for another job to import") {
            fs::remove_file(cache.path("slow")).unwrap();
            break;
        }
    }
    let first = printed(&first.wait_with_output().unwrap());
    let second = printed(&second.wait_with_output().unwrap());
    assert_eq!(first, second);
    assert!(
        first.starts_with(cache.path("cache")) && first.extension() == Some(Path::new("sqsh").as_os_str()),
        "{first:?}"
    );
    assert_eq!(cache.calls(), 1);
    assert!(!cache.path("broken").exists());
    assert_eq!(cache.images().len(), 1);
    assert_eq!(fs::read_to_string(cache.path("calls")).unwrap(), "docker://nvcr.io#org/engine:1\n");
    // A third finds it there.
    assert_eq!(printed(&cache.import()), first);
    assert_eq!(cache.calls(), 1);
}

#[test]
fn truncated_image_is_imported_again() {
    let cache = Cache::new();
    let path = printed(&cache.import());
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..50]).unwrap();
    let output = cache.import();
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("truncated: 50 of 96 bytes"),
        "{output:?}"
    );
    assert_eq!((printed(&output), fs::read(&path).unwrap()), (path, whole));
    assert_eq!(cache.calls(), 2);
}

#[test]
fn failed_or_truncated_import_leaves_no_image() {
    let cache = Cache::new();
    for fault in ["cut", "fails"] {
        fs::write(cache.path(fault), "").unwrap();
        // What an import that was killed leaves is removed by the next one.
        fs::create_dir_all(cache.path("cache")).unwrap();
        let output = cache.import();
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert_eq!(cache.images(), Vec::<String>::new());
    }
    let output = cache.import();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("401 Unauthorized") && said.contains("could not import docker://nvcr.io#org/engine:1"),
        "{said}"
    );
    fs::remove_file(cache.path("fails")).unwrap();
    printed(&cache.import());
}

#[test]
fn leftovers_of_a_killed_import_are_removed() {
    let cache = Cache::new();
    let path = printed(&cache.import());
    fs::remove_file(&path).unwrap();
    let leftover = path.with_file_name(format!(".{}.4242.partial", path.file_name().unwrap().to_str().unwrap()));
    fs::write(&leftover, "half").unwrap();
    printed(&cache.import());
    assert!(!leftover.exists());
}

#[test]
fn signal_ends_an_import_and_its_children() {
    let cache = Cache::new();
    // Enroot's work is done by its children, which hold its stderr.
    let script = "#!/usr/bin/env bash\nsleep 1000 & echo $! > \"$0.new\"; mv \"$0.new\" \"$0.pid\"; wait\n";
    fs::write(cache.path("enroot"), script).unwrap();
    let import = cache.command().spawn().unwrap();
    wait_until("it imports", || cache.path("enroot.pid").exists());
    let pid = |text: String| text.trim().parse().unwrap();
    let child: i32 = pid(fs::read_to_string(cache.path("enroot.pid")).unwrap());
    let own = nix::unistd::Pid::from_raw(pid(import.id().to_string()));
    nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGTERM).unwrap();
    let output = import.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    wait_until("its child is gone", || imax::testing::process_of(child).is_none());
    assert_eq!(cache.images(), Vec::<String>::new());
}

#[test]
fn missing_enroot_is_reported() {
    let cache = Cache::new();
    let output = cache.command().env("PATH", "/nowhere").finish();
    assert_eq!(output.status.code(), Some(4));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("cannot start enroot"),
        "{output:?}"
    );
}
