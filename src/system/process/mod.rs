//! Processes with an owner: started in a group of their own, watched, and stopped with all their descendants, including those that
//! left the group. Every process of a job has the job's id in its environment, so that it can be found even after its parent, or
//! imax itself, has died.

mod child;
mod group;
mod pidfd;
mod stop;
mod table;

pub use child::Leader;
pub use group::{Ending, Group, Input, ProcessError, StartedFrom, adopt_orphans};
pub use stop::{StopReport, stop_members_async};
pub use table::{ProcessId, boot_id, is_alive, marked_processes, own_id, process_of};

/// The imax job that a process belongs to, by its environment.
#[must_use]
pub fn job_of(pid: i32) -> Option<String> {
    table::job_mark(pid)
}

/// The variable that carries the job's id.
pub const JOB_MARK: &str = "IMAX_JOB_ID";
