//! A PostgreSQL server of its own, in a temporary folder, reachable through a socket in it and by nobody else.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Finish as _, clean_command, wait_until};

/// Debian's `nobody`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

pub struct Server {
    child: Child,
    programs: PathBuf,
    folder: tempfile::TempDir,
}

/// The folder of the newest server programs, which Debian does not put on the path.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is not installed: apt-get install postgresql");
    let newest = versions
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("bin/initdb").is_file())
        .max();
    newest.expect("no PostgreSQL server is installed").join("bin")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn command(programs: &Path, name: &str) -> Command {
    let mut command = clean_command(programs.join(name));
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/");
    command
}

impl Server {
    pub fn start() -> Self {
        let programs = programs();
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = folder.path().join("data");
        let created = command(&programs, "initdb")
            .args(["--auth=trust", "--username=imax", "--encoding=UTF8", "--no-sync", "--pgdata"])
            .arg(&data)
            .finish();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        let child = command(&programs, "postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses="])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, programs, folder };
        wait_until("PostgreSQL accepts connections", || {
            let mut ready = command(&server.programs, "pg_isready");
            ready
                .args(["--username=imax", "--host"])
                .arg(server.folder.path())
                .finish()
                .status
                .success()
        });
        server
    }

    /// An empty database; its address.
    pub fn database(&self, name: &str) -> String {
        database_at(&self.programs, self.folder.path(), name)
    }
}

/// An empty database of the server of another one.
pub fn another_database(address: &str, number: u64) -> String {
    let (url, folder) = address.split_once("?host=").unwrap();
    let (_, name) = url.rsplit_once('/').unwrap();
    database_at(&programs(), Path::new(folder), &format!("n{number}_{name}"))
}

fn database_at(programs: &Path, folder: &Path, name: &str) -> String {
    // PostgreSQL cuts longer names.
    let name: String = name.chars().take(60).collect();
    let created = command(programs, "createdb")
        .args(["--username=imax", "--host"])
        .arg(folder)
        .arg(&name)
        .finish();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    format!("postgres://imax@localhost/{name}?host={}", folder.display())
}

impl Drop for Server {
    fn drop(&mut self) {
        // A fast shutdown: connections are closed.
        let stopped = i32::try_from(self.child.id()).map(|id| kill(Pid::from_raw(id), Signal::SIGINT));
        if !matches!(stopped, Ok(Ok(()))) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
