//! Command lines of Slurm's tools other than sbatch. A job of imax is always named by its id, so that nothing can affect other jobs by user
//! or partition; the jobs of a launch script, whose ids only the script knows, by their user and name together ([`cancel_named`]).

/// A version of Slurm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlurmVersion {
    /// The year.
    pub major: u32,
    /// The month.
    pub minor: u32,
}

impl SlurmVersion {
    /// Parses the output of `--version`: `slurm-wlm 22.05.8`, `slurm 23.11.4`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text
            .split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        let mut parts = number.split('.');
        let mut part = || parts.next()?.parse().ok();
        Some(Self {
            major: part()?,
            minor: part()?,
        })
    }

    /// Whether `squeue --json` respects `--jobs`: before 23.11 it prints every job of the cluster.
    pub fn filters_json(self) -> bool {
        self >= Self { major: 23, minor: 11 }
    }

    /// Whether `sacct --json` exists (21.08).
    pub fn has_accounting_json(self) -> bool {
        self >= Self { major: 21, minor: 8 }
    }
}

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// `squeue` for one job in any state that Slurm still remembers; parsed by [`super::answer::parse_queue`].
pub(super) fn queue(job: u64) -> Vec<String> {
    let job = format!("--jobs={job}");
    list(&["--noheader", "--all", "--states=all", &job, "--format=%i|%T|%r|%N|%B"])
}

/// The same as JSON; parsed by [`super::answer_json::parse_queue_json`].
pub(super) fn queue_json(job: u64) -> Vec<String> {
    list(&["--json", "--all", "--states=all", &format!("--jobs={job}")])
}

/// `squeue` for unfinished jobs with a name; parsed by [`super::answer::parse_named`].
pub(super) fn find_named(name: &str) -> Vec<String> {
    list(&["--noheader", "--all", &format!("--name={name}"), "--format=%i|%T|%U|%j"])
}

/// `scontrol` for one job; parsed by [`super::answer::parse_job`].
pub(super) fn show_job(job: u64) -> Vec<String> {
    list(&["--oneliner", "show", "job", &job.to_string()])
}

/// `scontrol` for one node; parsed by [`super::answer::node_address`].
pub(super) fn show_node(node: &str) -> Vec<String> {
    list(&["--oneliner", "show", "node", node])
}

/// `scontrol` that expands a Slurm host list: `n[1-3]`.
pub(super) fn show_hostnames(nodes: &str) -> Vec<String> {
    list(&["show", "hostnames", nodes])
}

/// `sacct` for one job as text; read by [`super::answer::parse_queue`].
pub(super) fn accounting(job: u64) -> Vec<String> {
    let job = format!("--jobs={job}");
    list(&[
        "--noheader",
        "--parsable2",
        "--allocations",
        &job,
        "--format=JobIDRaw,State,Reason,NodeList,ExitCode",
    ])
}

/// `sacct` for one job as JSON; parsed by [`super::answer_json::parse_accounting_json`].
pub(super) fn accounting_json(job: u64) -> Vec<String> {
    list(&["--json", "--allocations", &format!("--jobs={job}")])
}

/// `scancel` for one job.
pub(super) fn cancel(job: u64) -> Vec<String> {
    vec![job.to_string()]
}

/// `scancel` for all jobs of a user, by its number, with a name. Without the user it would try to cancel those of others.
pub(super) fn cancel_named(name: &str, user: u32) -> Vec<String> {
    vec![format!("--user={user}"), format!("--name={name}")]
}

/// `scancel` that sends SIGTERM to the batch script, its children and every step.
pub(super) fn terminate(job: u64) -> Vec<String> {
    list(&["--full", "--signal=TERM", &job.to_string()])
}

/// `squeue` for the steps of a job; parsed by [`super::answer::parse_steps`].
pub(super) fn steps(job: u64) -> Vec<String> {
    list(&["--steps", "--noheader", &format!("--jobs={job}"), "--format=%i|%j"])
}

/// `scancel` that sends SIGKILL to steps at once: for a job as a whole Slurm waits KillWait first.
pub(super) fn kill_steps(steps: &[String]) -> Vec<String> {
    let mut words = list(&["--signal=KILL"]);
    words.extend(steps.iter().cloned());
    words
}

/// `scancel` that signals the batch script to kill everything on its nodes at once.
pub(super) fn kill_script(job: u64) -> Vec<String> {
    list(&["--batch", "--signal=USR1", &job.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_formats_follow_from_the_version() {
        for (text, filters, accounting) in [
            ("slurm-wlm 22.05.8", false, true),
            ("slurm 23.11.4", true, true),
            ("slurm 24.05.0-0rc1", true, true),
            ("slurm 20.11.9", false, false),
        ] {
            let version = SlurmVersion::parse(text).unwrap();
            assert_eq!(
                (version.filters_json(), version.has_accounting_json()),
                (filters, accounting),
                "{text}"
            );
        }
        assert_eq!(SlurmVersion::parse("squeue: error: no"), None);
    }

    #[test]
    fn commands_name_a_job_by_its_id() {
        for command in [
            queue(7),
            queue_json(7),
            show_job(7),
            accounting(7),
            accounting_json(7),
            cancel(7),
            terminate(7),
            steps(7),
            kill_script(7),
        ] {
            assert!(command.iter().any(|word| word == "7" || word == "--jobs=7"), "{command:?}");
            assert!(
                !command.iter().any(|word| word.starts_with("-u") || word.starts_with("--user")),
                "{command:?}"
            );
        }
    }
}
