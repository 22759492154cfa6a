//! The phase collect: everything is stopped, and what was loaded becomes results.

use super::life::Life;
use super::points::Loaded;
use super::provenance::{provenance_of_job, short};
use super::sampling::{conditions_of, power_of};
use super::watch::Interruption;
use crate::job::{FailureClass, GpuUsage, JobFailure, Outcome, Phase, PhaseEnding};
use crate::result::{PointContext, Power, normalize};
use crate::system::files;

impl Life<'_> {
    /// Normalises what was loaded. A raw result that has no normalised form makes its point a failed one.
    /// A signal ends the wait for git, which is all that is waited for here; what was measured is kept, and the phase counts
    /// as cancelled unless the job `has_failed` before.
    pub(super) fn collect(&mut self, has_failed: bool) -> Result<(), JobFailure> {
        let begun = self.journal.begin(Phase::Collect, None);
        self.voice.line("phase collect");
        if !self.checkout.wait(begun.left(), self.stop) {
            self.voice
                .line("warning: git has not said which commit is checked out; the results go without it");
        }
        let mut problems = Vec::new();
        for loaded in std::mem::take(&mut self.loaded) {
            let (energy, role_energy) = (self.energy_of(&loaded), self.role_energy_of(&loaded));
            let gpu_usage = self.gpu_usage_of(&loaded);
            let power = power_of(energy.as_ref(), role_energy.as_ref(), &loaded);
            let normalised = self.normalise(&loaded, power, gpu_usage.as_ref());
            let host_use = self.host_use_of(&loaded);
            let Some(record) = self.points.iter_mut().find(|point| point.conc == loaded.conc) else {
                continue;
            };
            record.raw.get_or_insert_with(|| format!("{}.json", loaded.result_filename));
            record.energy = energy;
            record.role_energy = role_energy;
            record.gpu_usage = gpu_usage;
            record.host_use = host_use;
            match normalised {
                Ok(file) => record.normalised = Some(file),
                Err(failure) => {
                    problems.push(failure.reason.clone());
                    record.outcome = Outcome::Failed(failure);
                }
            }
        }
        if !problems.is_empty() {
            self.journal.end(begun, PhaseEnding::Failed, Some(problems.join("; ")));
            return self.unless_cancelled_in(Phase::Collect);
        }
        let cancelled = self.unless_cancelled_in(Phase::Collect);
        match cancelled.as_ref().err().filter(|_| !has_failed) {
            Some(failure) => self.journal.end(begun, PhaseEnding::Cancelled, Some(failure.reason.clone())),
            // What was measured is worth more than the phase's time, so it is normalised all the same.
            None if begun.left().is_zero() => self.journal.end(begun, PhaseEnding::DeadlineExceeded, None),
            None => self.journal.end(begun, PhaseEnding::Done, None),
        }
        cancelled
    }

    fn normalise(&self, loaded: &Loaded, power: Option<Power>, usage: Option<&GpuUsage>) -> Result<String, JobFailure> {
        let client = |error: String| JobFailure::new(FailureClass::Client, format!("the raw result cannot be normalised: {error}"));
        let context = PointContext::from_row(&self.spec.row, loaded.conc).map_err(|error| client(error.to_string()))?;
        let mut agg = normalize(&loaded.raw, &context).map_err(|error| client(error.to_string()))?;
        if let Some(power) = power {
            agg.set_power(power, &loaded.raw);
        }
        agg.set_conditions(conditions_of(usage));
        let facts = self.facts.clone();
        let provenance = provenance_of_job(
            self.spec,
            self.checkout.commit(),
            &self.node,
            self.served_model.clone(),
            facts,
            self.environment,
        );
        agg.set_provenance(short(&provenance, self.spec).into());
        let file = format!("agg_{}.json", loaded.result_filename);
        let write = files::write(&self.places.out.join(&file), agg.to_pretty().as_bytes());
        write.map_err(|error| JobFailure::infra(error.to_string()))?;
        Ok(file)
    }

    fn unless_cancelled_in(&self, phase: Phase) -> Result<(), JobFailure> {
        match self.stop.cause() {
            Some(cause) => Err(Interruption::Cancelled(cause).failure(phase)),
            None => Ok(()),
        }
    }
}
