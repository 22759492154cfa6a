//! The end of a Slurm job as an engine's end or a job failure: node failure, preemption, time limit, OOM and foreign
//! scancel are distinguished, because each has another remedy.

use super::answer::{JobView, SlurmState};
use super::script::{EXIT_IMAGE, EXIT_NODE, EXIT_PORT, EXIT_SECRETS};
use crate::job::{FailureClass, JobFailure};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The recipe exited with this status.
    Exited(i32),
    /// The recipe was killed by this signal.
    Signalled(i32),
    Failed(JobFailure),
}

/// Slurm's exit status for a script that it could not start because its folder or its log is missing.
const COULD_NOT_START: (i32, i32) = (0, 53);

/// The end of a job that imax did not cancel; `None` if it has not ended. `canceller` is who cancelled it, if known.
pub(super) fn end_of(job: u64, view: &JobView, canceller: Option<&str>) -> Option<End> {
    let nodes = if view.nodes.is_empty() {
        String::new()
    } else {
        format!(" on {}", view.nodes)
    };
    let because = if view.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", view.reason)
    };
    Some(match view.state {
        SlurmState::Pending | SlurmState::Configuring | SlurmState::Running | SlurmState::Completing => return None,
        SlurmState::Suspended => failed_end(
            FailureClass::Infra,
            "slurm-suspended",
            format!(
                "slurm suspended job {job}{nodes}{because}, so nothing that it measured can be trusted; use a partition whose jobs are not suspended for others"
            ),
        ),
        SlurmState::Completed => End::Exited(0),
        SlurmState::Failed => failed_exit(job, view.exit.unwrap_or((1, 0)), &nodes),
        SlurmState::Cancelled => {
            let who = canceller.map_or_else(|| "another user".to_owned(), |who| format!("user {who}"));
            failed_end(
                FailureClass::Infra,
                "slurm-cancelled",
                format!("slurm job {job}{nodes} was cancelled by {who}, not by this job; ask them before it is started again"),
            )
        }
        SlurmState::Timeout => failed_end(
            FailureClass::Timeout,
            "slurm-time-limit",
            format!(
                "slurm ended job {job}{nodes} at its time limit{because}; raise `slurm.time-limit` in the runner profile, or measure less in one job"
            ),
        ),
        SlurmState::NodeFail => failed_end(
            FailureClass::Infra,
            "slurm-node-failure",
            format!(
                "a node of slurm job {job} failed{nodes}{because}; look at it with `scontrol show node`, or leave it out with `slurm.exclude`"
            ),
        ),
        SlurmState::Preempted => failed_end(
            FailureClass::Infra,
            "slurm-preempted",
            format!("slurm took the nodes of job {job} for another job{nodes} (preemption); use a partition or QOS that is not preempted"),
        ),
        SlurmState::OutOfMemory => failed_end(
            FailureClass::Server,
            "host-out-of-memory",
            format!("slurm job {job}{nodes} ran out of host memory; ask for more with `slurm.extra-options: [--mem=0]`, or use less"),
        ),
    })
}

fn failed_end(class: FailureClass, cause: &str, reason: String) -> End {
    End::Failed(JobFailure {
        cause: Some(cause.to_owned()),
        ..JobFailure::new(class, reason)
    })
}

/// The end of a job whose batch script failed. The script's own exit statuses stand for infrastructure failures.
fn failed_exit(job: u64, exit: (i32, i32), nodes: &str) -> End {
    match exit {
        COULD_NOT_START => infrastructure_end(
            "slurm-not-shared",
            format!(
                "slurm could not start job {job}{nodes}: the node does not see the repository or the output folder; both must be on a file system that it shares with this machine"
            ),
        ),
        (EXIT_SECRETS, 0) => infrastructure_end(
            "slurm-not-shared",
            format!(
                "the node of slurm job {job}{nodes} does not see the file with the job's secrets; set `slurm.secrets-folder` to a folder that it shares with this machine"
            ),
        ),
        (EXIT_PORT, 0) => infrastructure_end(
            "port-in-use",
            format!("the engine's port is taken on the node of slurm job {job}{nodes}; leave PORT unset, or use `slurm.exclusive: true`"),
        ),
        (EXIT_IMAGE, 0) => infrastructure_end(
            "image-import",
            format!("the image could not be imported on the node of slurm job {job}{nodes}; server.log says why"),
        ),
        (EXIT_NODE, 0) => infrastructure_end(
            "node-unfit",
            format!("slurm job {job}{nodes} found a node that is not fit; the end of server.log and node-*.json say why"),
        ),
        (status, 0) => End::Exited(status),
        (_, signal) => End::Signalled(signal),
    }
}

fn infrastructure_end(cause: &str, reason: String) -> End {
    failed_end(FailureClass::Infra, cause, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(state: SlurmState, exit: Option<(i32, i32)>) -> JobView {
        JobView {
            state,
            reason: "R".to_owned(),
            nodes: "h100-0".to_owned(),
            batch_host: "h100-0".to_owned(),
            exit,
        }
    }

    #[test]
    fn each_end_has_its_failure_class_and_cause() {
        for (state, exit, class, cause) in [
            (SlurmState::Suspended, None, FailureClass::Infra, "slurm-suspended"),
            (SlurmState::Cancelled, None, FailureClass::Infra, "slurm-cancelled"),
            (SlurmState::Timeout, None, FailureClass::Timeout, "slurm-time-limit"),
            (SlurmState::NodeFail, None, FailureClass::Infra, "slurm-node-failure"),
            (SlurmState::Preempted, None, FailureClass::Infra, "slurm-preempted"),
            (SlurmState::OutOfMemory, None, FailureClass::Server, "host-out-of-memory"),
            (SlurmState::Failed, Some((0, 53)), FailureClass::Infra, "slurm-not-shared"),
            (SlurmState::Failed, Some((EXIT_PORT, 0)), FailureClass::Infra, "port-in-use"),
            (SlurmState::Failed, Some((EXIT_SECRETS, 0)), FailureClass::Infra, "slurm-not-shared"),
            (SlurmState::Failed, Some((EXIT_IMAGE, 0)), FailureClass::Infra, "image-import"),
            (SlurmState::Failed, Some((EXIT_NODE, 0)), FailureClass::Infra, "node-unfit"),
        ] {
            let Some(End::Failed(failure)) = end_of(7, &view(state, exit), None) else {
                panic!("{state:?}")
            };
            assert_eq!((failure.class, failure.cause.as_deref()), (class, Some(cause)));
            assert!(
                failure.reason.contains("job 7") && failure.reason.contains("h100-0"),
                "{}",
                failure.reason
            );
        }
        assert_eq!(end_of(7, &view(SlurmState::Completed, None), None), Some(End::Exited(0)));
        assert_eq!(end_of(7, &view(SlurmState::Failed, Some((9, 0))), None), Some(End::Exited(9)));
        assert_eq!(end_of(7, &view(SlurmState::Failed, Some((0, 9))), None), Some(End::Signalled(9)));
        for state in [
            SlurmState::Pending,
            SlurmState::Configuring,
            SlurmState::Running,
            SlurmState::Completing,
        ] {
            assert_eq!(end_of(7, &view(state, None), None), None);
        }
    }

    #[test]
    fn known_canceller_is_named() {
        let Some(End::Failed(failure)) = end_of(7, &view(SlurmState::Cancelled, None), Some("alice")) else {
            panic!()
        };
        assert!(failure.reason.contains("cancelled by user alice"), "{}", failure.reason);
    }
}
