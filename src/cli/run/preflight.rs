//! The phases before anything is started: whether the node is fit, and whether its GPUs are idle.

use std::time::{Duration, Instant};

use super::journal::Begun;
use super::life::{Life, Trouble};
use super::watch::Interruption;
use crate::fleet::node::{Questions, gather, gather_gpus};
use crate::fleet::reap::{Reaped, reap_dead_jobs};
use crate::job::{FailureClass, Finding, GpuProblem, Grade, JobFailure, Phase, Wanted, check_idle, check_node};
use crate::model::VariableValue;
use crate::system::files;

/// What a look at GPUs has at least, so that one that begins just before the deadline still says what is there.
const ONE_LOOK: Duration = Duration::from_secs(5);
/// Pause between two looks at GPUs that are not idle yet.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Life<'_> {
    pub(super) fn preflight(&mut self, begun: &Begun) -> Result<(), Trouble> {
        // A log of an earlier try in the same folder would be searched for the causes of this one.
        files::write(&self.log(), b"").map_err(|error| JobFailure::infra(error.to_string()))?;
        let visible = self.visible();
        let facts = gather(&self.questions(visible.as_deref(), begun.until()));
        self.unless_cancelled()?;
        let findings = check_node(&facts, self.wanted());
        self.node = facts;
        let warnings = with_grade(&findings, Grade::Warning);
        for warning in &warnings {
            self.voice.line(&format!("warning: {warning}"));
        }
        let failed = with_grade(&findings, Grade::Failed);
        if begun.left().is_zero() {
            // What had no time to be found out is among them.
            let mut problems: Vec<String> = failed.into_iter().chain(warnings).collect();
            if problems.is_empty() {
                problems.push("the checks took that long".to_owned());
            }
            return Err(self.node_late(Phase::Preflight, problems.join("; ")));
        }
        if failed.is_empty() {
            return Ok(());
        }
        Err(JobFailure::infra(format!("the node is not fit: {}", failed.join("; "))).into())
    }

    pub(super) fn clean(&mut self, begun: &Begun) -> Result<(), Trouble> {
        let reaped = reap_dead_jobs(self.states, &[], self.stop, begun.until());
        let mut left = Vec::new();
        for Reaped {
            state,
            removed,
            left: still,
            ..
        } in &reaped
        {
            let job = &state.job;
            for removed in removed {
                self.voice.line(&format!("removed {removed} of the dead job {job}"));
            }
            left.extend(still.iter().map(|what| format!("{what} (of the dead job {job})")));
        }
        self.run_owed_hooks(&reaped, begun);
        self.unless_cancelled()?;
        if !left.is_empty() && begun.left().is_zero() {
            return Err(self.node_late(Phase::Clean, left.join("; ")));
        }
        if !left.is_empty() {
            return Err(infra(format!("the node is not clean: {}", left.join("; "))).into());
        }
        self.await_idle_gpus(begun)
    }

    /// Runs the post-hooks that dead jobs may not have come to, where they are this job's own too: a command that lies in a state
    /// is never run itself.
    fn run_owed_hooks(&self, reaped: &[Reaped], begun: &Begun) {
        let own = &self.spec.profile.hooks.post;
        // Those of a job that is not finished with stay owed.
        let finished = reaped.iter().filter(|job| job.is_finished()).map(|job| &job.state);
        let owed = finished.filter(|state| !state.hooks_owed.is_empty());
        let (same, others): (Vec<_>, Vec<_>) = owed.partition(|state| state.hooks_owed == *own);
        for state in others {
            let hooks = state.hooks_owed.join("; ");
            self.voice
                .line(&format!("post-hooks of the dead job {} that may not have run: {hooks}", state.job));
        }
        if let Some(state) = same.first() {
            self.voice.line(&format!(
                "the dead job {} may not have come to its post-hooks, so they run now",
                state.job
            ));
            // One that fails is said; what it should do may be done already.
            let _ = self.run_post_hooks(begun);
        }
    }

    /// Waits until nothing computes on the GPUs and their memory is free, in the time that the phase has left: drivers give
    /// memory back some time after a process is gone.
    fn await_idle_gpus(&mut self, begun: &Begun) -> Result<(), Trouble> {
        let visible = self.visible();
        let mut said = false;
        loop {
            let until = begun.until().max(Instant::now() + ONE_LOOK);
            let facts = gather_gpus(&self.questions(visible.as_deref(), until));
            self.unless_cancelled()?;
            let busy = with_grade(&check_idle(&facts, self.wanted()), Grade::Failed).join("; ");
            let left = begun.left();
            match &facts.gpus {
                Some(Err(GpuProblem::Failed(problem))) if left.is_zero() => return Err(self.node_late(Phase::Clean, problem.clone())),
                Some(_) | None if busy.is_empty() => return Ok(()),
                Some(_) | None if left.is_zero() => {
                    return Err(self.node_late(Phase::Clean, format!("the GPUs did not become idle: {busy}")));
                }
                Some(_) | None => {}
            }
            if !said {
                self.voice.line(&format!("waiting for the GPUs: {busy}"));
                said = true;
            }
            let _ = self.stop.wait_timeout(LOOK_AGAIN.min(left));
            self.unless_cancelled()?;
        }
    }

    pub(super) fn node_late(&self, phase: Phase, last: String) -> Trouble {
        let limit = self.spec.profile.deadlines.of(phase);
        Trouble::Interrupted(Interruption::NodeLate { phase, limit, last })
    }

    fn unless_cancelled(&self) -> Result<(), Trouble> {
        match self.stop.cause() {
            Some(cause) => Err(Trouble::Interrupted(Interruption::Cancelled(cause))),
            None => Ok(()),
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            node: &self.spec.profile.node,
            gpus: Some(self.spec.row.layout.gpus()),
            token: self.spec.profile.wants_hub_token(),
        }
    }

    /// The choice among the node's GPUs, as the recipe gets it.
    pub(super) fn visible(&self) -> Option<String> {
        self.spec.profile.visible_choice(&|name| {
            self.environment
                .iter()
                .find(|variable| variable.name == name)
                .and_then(|variable| match &variable.value {
                    VariableValue::Plain(text) => Some(text.clone()),
                    VariableValue::Secret(_) => None,
                })
        })
    }

    fn questions<'b>(&'b self, visible: Option<&'b str>, until: Instant) -> Questions<'b> {
        Questions {
            vendor: self.spec.profile.vendor,
            visible,
            launch: &self.spec.profile.launch,
            out: &self.places.out,
            workspace: &self.places.repository,
            hub_cache: self.spec.profile.hf_cache.as_deref(),
            port: self.spec.profile.launch.is_on_this_machine().then_some(self.port),
            inside_job: false,
            stop: self.stop,
            until,
        }
    }
}

fn infra(reason: String) -> JobFailure {
    JobFailure::new(FailureClass::Infra, reason)
}

fn with_grade(findings: &[Finding], grade: Grade) -> Vec<String> {
    let found = findings.iter().filter(|finding| finding.grade == grade);
    found
        .map(|finding| format!("{}: {}", finding.check.as_str(), finding.detail))
        .collect()
}
