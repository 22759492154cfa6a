//! Output of Slurm 22.05, as recorded, and of newer versions according to their manuals.

use super::*;

fn view(state: SlurmState, reason: &str, nodes: &str, batch_host: &str, exit: Option<(i32, i32)>) -> JobView {
    JobView {
        state,
        reason: reason.to_owned(),
        nodes: nodes.to_owned(),
        batch_host: batch_host.to_owned(),
        exit,
    }
}

#[test]
fn queue_and_accounting_lines() {
    for (text, expected) in [
        (
            "1|RUNNING|None|localhost|localhost\n",
            Some(view(SlurmState::Running, "", "localhost", "localhost", None)),
        ),
        (
            "2|PENDING|Resources||n/a\n",
            Some(view(SlurmState::Pending, "Resources", "", "", None)),
        ),
        (
            "3|COMPLETING|TimeLimit|h100-[0-1]|h100-0\n",
            Some(view(SlurmState::Completing, "TimeLimit", "h100-[0-1]", "h100-0", None)),
        ),
        (
            "4|OUT_OF_MEMORY|OutOfMemory|h100-0|0:125\n",
            Some(view(SlurmState::OutOfMemory, "OutOfMemory", "h100-0", "", Some((0, 125)))),
        ),
        (
            "5|CANCELLED by 1000|None|None assigned|0:0\n",
            Some(view(SlurmState::Cancelled, "", "", "", Some((0, 0)))),
        ),
        ("", None),
        ("\n", None),
    ] {
        assert_eq!(parse_queue(text), Ok(expected), "{text}");
    }
    assert_eq!(parse_queue("1|DANCING|None||n/a"), Err(AnswerError::State("DANCING".to_owned())));
    assert!(matches!(parse_queue("slurm_load_jobs error"), Err(AnswerError::Form { .. })));
}

#[test]
fn scontrol_job_is_parsed() {
    let text = "JobId=1 JobName=imax-1 UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901759 Nice=0 Account=(null) QOS=(null) \
                JobState=FAILED Reason=NonZeroExitCode Dependency=(null) Requeue=0 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=7:0 \
                RunTime=00:00:01 ReqNodeList=(null) ExcNodeList=(null) NodeList=h100-0 BatchHost=h100-0 NumNodes=1 Comment=imax-1 ";
    assert_eq!(
        parse_job(text),
        Ok(view(SlurmState::Failed, "NonZeroExitCode", "h100-0", "h100-0", Some((7, 0))))
    );
    let pending =
        "JobId=2 JobName=imax-2 JobState=CANCELLED Reason=Resources ExitCode=0:0 ReqNodeList=(null) NodeList= SchedNodeList=localhost";
    assert_eq!(
        parse_job(pending),
        Ok(view(SlurmState::Cancelled, "Resources", "", "", Some((0, 0))))
    );
    assert!(parse_job("slurm_load_jobs error: Invalid job id specified").is_err());
}

#[test]
fn only_own_jobs_with_exactly_the_name_are_found() {
    let text = "12|RUNNING|0|imax-a1\n13|PENDING|0|imax-a1b\n14|RUNNING|1000|imax-a1\n15|COMPLETING|0|imax-a1\n16|RUNNING|0|other\n";
    let found = parse_named(text, "imax-a1", 0);
    assert_eq!(found.iter().map(|job| job.number).collect::<Vec<_>>(), [12, 15]);
}

#[test]
fn only_steps_of_srun_are_found() {
    let answer = format!("12.0|{WATCHER_STEP}\n12.1|bash\n12.batch|batch\n12.extern|extern\n 12.2|a|b \n");
    assert_eq!(parse_steps(&answer), ["12.1", "12.2"]);
    assert_eq!(parse_steps(""), Vec::<String>::new());
}

#[test]
fn job_ids_addresses_and_cancellers_are_parsed() {
    assert_eq!(submitted("12\n"), Ok(12));
    assert_eq!(submitted("site notice\n12;cluster\n"), Ok(12));
    assert!(submitted("").is_err());
    let node = "NodeName=h100-0 Arch=x86_64 CoresPerSocket=16  NodeAddr=127.0.0.1 NodeHostName=localhost Version=22.05.8";
    assert_eq!(node_address(node), Some("127.0.0.1"));
    assert_eq!(node_address("NodeName=x"), None);
    assert_eq!(canceller_of("5|CANCELLED by 1000|None|h100-0|0:15\n"), Some(1000));
    assert_eq!(canceller_of("5|CANCELLED|None|h100-0|0:15\n"), None);
}
