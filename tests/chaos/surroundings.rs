//! What a job needs around it for some disturbances: a small disk, a network of its own, a clock that can be set. Each is gone with its job.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fixture::Fixture;
use crate::harness::Running;

/// The library that fakes a clock, of the Debian package libfaketime; `IMAX_CHAOS_FAKETIME` names another place.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
/// Bytes of a small disk: some results, and no more.
const DISK: &str = "size=4m";

/// The library that fakes a clock, where there is one.
pub fn faketime() -> Option<PathBuf> {
    let path = std::env::var_os("IMAX_CHAOS_FAKETIME").map_or_else(|| PathBuf::from(FAKETIME), PathBuf::from);
    path.is_file().then_some(path)
}

fn ran(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// A small file system as the folder of a job's results.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    pub fn of(fixture: &Fixture) -> Self {
        let path = fixture.path("out");
        std::fs::create_dir_all(&path).unwrap();
        let words = ["-t", "tmpfs", "-o", DISK, "tmpfs"];
        assert!(ran("mount", &[&words[..], &[path.to_str().unwrap()]].concat()), "mount needs root");
        Self { path }
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        let mut filler = std::fs::File::create(self.path.join("filler")).unwrap();
        let block = [0; 4096];
        while filler.write_all(&block).is_ok() {}
    }

    /// Whether the space is still taken.
    pub fn is_full(&self) -> bool {
        !std::fs::write(self.path.join("probe"), [0; 8192]).is_ok_and(|()| std::fs::remove_file(self.path.join("probe")).is_ok())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        ran("umount", &["--lazy", self.path.to_str().unwrap()]);
    }
}

/// The words that start a program in a network of its own, which has the loopback device alone.
pub const OWN_NETWORK: [&str; 6] = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];

/// Takes the network of a job down: what is connected hears nothing any more, and nobody can connect.
pub fn cut_network(run: &Running) {
    let number = run.id().to_string();
    assert!(ran("nsenter", &["--target", &number, "--net", "ip", "link", "set", "lo", "down"]));
}

/// The file that says by how much a job's clock is wrong.
pub const CLOCK: &str = "clock";

/// Gives a job a clock that [`step_clock`] sets. Monotonic time stays right, as it does where somebody sets the clock of a machine.
pub fn with_own_clock(fixture: Fixture, library: &Path) -> Fixture {
    fixture.write(CLOCK, "+0");
    let file = fixture.path(CLOCK).display().to_string();
    fixture
        .environment("LD_PRELOAD", library.to_str().unwrap())
        .environment("FAKETIME_TIMESTAMP_FILE", &file)
        .environment("FAKETIME_NO_CACHE", "1")
        .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

/// Sets a job's clock, an hour forward or back.
pub fn step_clock(fixture: &Fixture, is_forward: bool) {
    let new = fixture.path("clock.new");
    std::fs::write(&new, if is_forward { "+3600" } else { "-3600" }).unwrap();
    std::fs::rename(new, fixture.path(CLOCK)).unwrap();
}
