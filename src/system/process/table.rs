//! The kernel's process table, read from `/proc` (proc(5)). A process is identified by its id and its start time, because ids are
//! reused.

use std::collections::BTreeSet;
use std::fs;

use serde::{Deserialize, Serialize};

use super::JOB_MARK;

/// A process id with the start time, which distinguishes it from a later process with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its id.
    pub pid: i32,
    /// Its start, clock ticks after boot.
    pub start: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub id: ProcessId,
    /// Its parent: the process that started or adopted it.
    pub parent: i32,
    pub group: i32,
    /// Whether it is a zombie: it has ended, and its exit status is not collected yet.
    pub zombie: bool,
    pub name: String,
}

/// All processes, without those that end during the scan.
#[must_use]
pub fn all_processes() -> Vec<Running> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(read_process)
        .collect()
}

/// One process, if it exists.
#[must_use]
pub fn read_process(pid: i32) -> Option<Running> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Parses `/proc/<pid>/stat`: `pid (name) state ppid pgrp ...`; the start time is field 22. The name may contain spaces and brackets.
fn parse_stat(text: &str) -> Option<Running> {
    let (before, after) = text.rsplit_once(')')?;
    let (pid, name) = before.split_once('(')?;
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Running {
        id: ProcessId {
            pid: pid.trim().parse().ok()?,
            start: field(22)?.parse().ok()?,
        },
        parent: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        zombie: matches!(field(3)?, "Z" | "X"),
        name: name.to_owned(),
    })
}

#[must_use]
pub fn own_id() -> Option<ProcessId> {
    read_process(nix::unistd::getpid().as_raw()).map(|process| process.id)
}

/// The running process with an id.
#[must_use]
pub fn process_of(pid: i32) -> Option<ProcessId> {
    read_process(pid).filter(|process| !process.zombie).map(|process| process.id)
}

/// Whether that very process is still running.
#[must_use]
pub fn is_alive(id: ProcessId) -> bool {
    process_of(id.pid) == Some(id)
}

/// The id of this boot. After a reboot, no process of an earlier boot is running.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// The job whose mark a process carries in its environment, if it may be read.
#[must_use]
pub fn job_mark(pid: i32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let start = format!("{JOB_MARK}=");
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(start.as_bytes()))?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// All running processes that carry the mark of a job or of one of its tools (`<job>-hook`, `<job>-telemetry`, `<job>-tool`), and
/// processes without it that belong to them: members of a group that one of them leads, and descendants. This process is never one.
#[must_use]
pub fn marked_processes(job: &str) -> Vec<Running> {
    let own = nix::unistd::getpid().as_raw();
    let mut table = all_processes();
    table.retain(|process| !process.zombie && process.id.pid != own);
    let marked: BTreeSet<i32> = table
        .iter()
        .map(|process| process.id.pid)
        .filter(|pid| has_mark(*pid, job))
        .collect();
    let of_their_groups = table
        .iter()
        .filter(|process| marked.contains(&process.group))
        .map(|process| process.id.pid);
    let members = of_their_groups.chain(marked.iter().copied()).collect();
    let members = with_descendants(&table, members);
    table.retain(|process| members.contains(&process.id.pid));
    table
}

/// Adds the descendants of processes, as far as they are in the table.
pub(super) fn with_descendants(table: &[Running], mut members: BTreeSet<i32>) -> BTreeSet<i32> {
    loop {
        let children: Vec<i32> = table
            .iter()
            .filter(|process| members.contains(&process.parent) && !members.contains(&process.id.pid))
            .map(|process| process.id.pid)
            .collect();
        if children.is_empty() {
            return members;
        }
        members.extend(children);
    }
}

/// Whether a process has the mark of a job, or that mark with a suffix such as `-tool`.
fn has_mark(pid: i32, job: &str) -> bool {
    let mark = job_mark(pid);
    mark.is_some_and(|mark| mark.strip_prefix(job).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let text = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        let process = parse_stat(text).unwrap();
        assert_eq!(
            (process.id, process.parent, process.group),
            (ProcessId { pid: 42, start: 12345 }, 7, 42)
        );
        assert_eq!((process.name.as_str(), process.zombie), ("a) b (c)", false));
    }

    #[test]
    fn finds_itself_alive_and_not_a_later_process_of_its_number() {
        let own = own_id().unwrap();
        assert!(is_alive(own));
        assert!(!is_alive(ProcessId {
            start: own.start + 1,
            ..own
        }));
        assert!(!boot_id().is_empty());
    }
}
