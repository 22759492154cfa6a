//! From new changelog entries to the rows to be measured and evaluated: which entry claims which config,
//! trimming, append-only, and the resulting document. The rules are those of InferenceX's
//! process_changelog.py.

mod append_only;
mod coverage;
mod durations;
mod group;
mod jobs;
mod outputs;
mod priority;
mod retry;
mod search_space;
mod summary;
mod trim;

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::changelog::{Entry, LocatedEntry, ScenarioType};
use crate::config::{Catalog, EvalPolicy};
use crate::model::{ConfigKey, CurveKey, Diagnostics, Layout, MeasuredChange};

use super::evals::Evals;
use super::filters::ScenarioKind;
use super::row::{EvalMark, Row, Scenario};
use super::row_filter::RowFilter;
use super::select::{SelectError, TestConfig, test_config};

pub use durations::{Durations, PastJob};
pub use group::{Estimate, by_engine};
pub use jobs::{Job, canary, jobs};
pub use outputs::{MATRIX_LIMIT, OutputError, PlanFile, outputs};
pub use priority::{Priorities, PriorityContext};
pub use search_space::{ChangelogMetadata, SearchSpace, eval_identity};
pub use summary::{Totals, summary};

use coverage::Coverage;

/// Options that override the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Only the lowest concurrency of each configuration of an engine.
    pub trim: bool,
    /// Evaluate accuracy at every point that can be evaluated.
    pub all_evals: bool,
    /// Evaluate accuracy and do not measure.
    pub evals_only: bool,
    /// Seconds that agentic rows are loaded, in place of those of their configs.
    pub agentic_seconds: Option<u64>,
    /// Run the engines' profilers during the loads, and evaluate nothing.
    pub profile: bool,
}

/// Planned rows, in the order of the entries.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Rows that are measured, possibly with an evaluation afterwards.
    pub benchmarks: Vec<Row>,
    /// Rows that are only evaluated.
    pub evals: Vec<Row>,
    /// The entries with the curves that they select.
    pub changes: Vec<MeasuredChange>,
}

/// Why entries cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Entries select unknown keys, or change more than append-only ones may.
    #[error("{0}")]
    Refused(#[from] Diagnostics),
    #[error(transparent)]
    Select(#[from] SelectError),
    /// A row has no JSON form.
    #[error("cannot serialize a row: {0}")]
    Json(#[from] serde_json::Error),
}

/// Whether planning these entries requires the configs of the base.
#[must_use]
pub fn needs_base(added: &[LocatedEntry]) -> bool {
    added.iter().any(|added| added.entry.append_only)
}

/// Plans entries. `base` has the earlier configs; only append-only entries use it. Those rows are left that pass all filters.
///
/// # Errors
/// If an entry selects unknown keys, or is append-only and changes more than it may.
pub fn plan(
    added: &[LocatedEntry],
    head: &Catalog,
    base: Option<&Catalog>,
    options: Options,
    filters: &[RowFilter],
) -> Result<Plan, PlanError> {
    let mut resolved = Vec::new();
    let mut found = Diagnostics::new();
    let known: Vec<&ConfigKey> = head.entries.keys().collect();
    for added in added {
        match crate::changelog::select(added, &known) {
            Ok(keys) => resolved.push((added, keys)),
            Err(more) => found.append(more),
        }
    }
    if found.has_errors() {
        return Err(found.into());
    }
    if let Some(first) = added.iter().find(|added| added.entry.append_only) {
        append_only::check_request(added, options).map_err(|error| error.at(&first.place))?;
        append_only::check_scope(&resolved, head, base).map_err(|error| error.at(&first.place))?;
    }
    // If entries overlap, the broader choice of evaluations wins.
    resolved.sort_by_key(|(added, _)| !added.entry.all_evals);
    let mut planner = Planner {
        head,
        base,
        options,
        plan: Plan::default(),
        measured: Coverage::default(),
        evaluated: Coverage::default(),
        older: Coverage::default(),
    };
    for (added, keys) in resolved {
        planner.add(added, &keys)?;
    }
    finished(planner.plan, options, filters)
}

/// Plans rows that were selected otherwise.
///
/// # Errors
/// None in practice: a row always has a JSON form.
pub fn plan_rows(rows: Vec<Row>, options: Options, filters: &[RowFilter]) -> Result<Plan, PlanError> {
    let (evals, benchmarks): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(Row::is_evaluated_alone);
    let benchmarks = if options.evals_only { Vec::new() } else { benchmarks };
    let plan = Plan {
        benchmarks,
        evals,
        changes: Vec::new(),
    };
    finished(plan, options, filters)
}

fn finished(plan: Plan, options: Options, filters: &[RowFilter]) -> Result<Plan, PlanError> {
    let Plan {
        mut benchmarks,
        mut evals,
        mut changes,
    } = plan;
    for filter in filters {
        filter.apply(&mut benchmarks);
        filter.apply(&mut evals);
    }
    if let Some(seconds) = options.agentic_seconds {
        benchmarks.iter_mut().for_each(|row| last(row, seconds));
    }
    if options.profile {
        evals.clear();
        benchmarks.iter_mut().for_each(profile);
    }
    benchmarks.par_iter_mut().try_for_each(|row| {
        row.recipe_fingerprint = Some(super::fingerprint(row)?);
        Ok::<_, PlanError>(())
    })?;
    if options.trim {
        benchmarks = trim::lowest(benchmarks);
    }
    keep_planned(&mut changes, &benchmarks, options.profile);
    Ok(Plan {
        benchmarks,
        evals,
        changes,
    })
}

/// Limits changes to the curves that are planned, which filters and trimming may have left out.
fn keep_planned(changes: &mut Vec<MeasuredChange>, benchmarks: &[Row], is_profiled: bool) {
    let planned: BTreeSet<CurveKey> = benchmarks.iter().map(Row::curve_key).collect();
    for change in changes.iter_mut() {
        if is_profiled {
            change.curves.iter_mut().for_each(CurveKey::set_profiled);
        }
        change.curves.retain(|curve| planned.contains(curve));
    }
    changes.retain(|change| !change.curves.is_empty());
}

fn profile(row: &mut Row) {
    row.profile = true;
    row.eval = EvalMark::default();
}

/// Sets the duration of an agentic row's load.
fn last(row: &mut Row, seconds: u64) {
    match &mut row.scenario {
        Scenario::FixedSeqLen { .. } => {}
        Scenario::AgenticCoding { duration_s, .. } => *duration_s = seconds,
    }
}

/// What has been planned so far, and claimed by which entry.
struct Planner<'a> {
    head: &'a Catalog,
    base: Option<&'a Catalog>,
    options: Options,
    plan: Plan,
    measured: Coverage<'a>,
    evaluated: Coverage<'a>,
    older: Coverage<'a>,
}

impl<'a> Planner<'a> {
    fn add(&mut self, added: &LocatedEntry, keys: &[&'a ConfigKey]) -> Result<(), PlanError> {
        let entry = &added.entry;
        let (older, newer): (Vec<&ConfigKey>, Vec<&ConfigKey>) =
            keys.iter().partition(
                |key: &&&ConfigKey| match self.head.entries.get(**key).map(|entry| entry.conventions.evals) {
                    Some(EvalPolicy::HighAndLowTp) => !entry.append_only,
                    Some(EvalPolicy::HighAndMedianConcurrency) | None => false,
                },
            );
        self.add_older(entry, &older)?;
        let measures = !(self.options.evals_only || entry.evals_only || entry.all_evals);
        if measures {
            self.add_benchmarks(added, &newer)?;
        }
        if !entry.append_only {
            self.add_evals(entry, &newer)?;
        }
        Ok(())
    }

    /// In the older period an evaluation follows the measurement of the same row, and a config is planned once,
    /// whatever scenarios the entry names: there was only one.
    fn add_older(&mut self, entry: &Entry, keys: &[&'a ConfigKey]) -> Result<(), PlanError> {
        let evals = if self.options.evals_only || entry.evals_only || entry.all_evals {
            Evals::Only
        } else {
            Evals::Marked
        };
        for (_, keys) in self.older.claim(keys, &ScenarioType::ALL) {
            let wanted = rows(self.head, &keys, &[], evals)?;
            self.add_change(entry, &wanted);
            self.plan.benchmarks.extend(wanted);
        }
        Ok(())
    }

    fn add_benchmarks(&mut self, added: &LocatedEntry, keys: &[&'a ConfigKey]) -> Result<(), PlanError> {
        let LocatedEntry { entry, place, .. } = added;
        for (scenarios, keys) in self.measured.claim(keys, &entry.scenarios()) {
            let wanted = rows(self.head, &keys, &scenarios, Evals::Off)?;
            let wanted = match self.base.filter(|_| entry.append_only) {
                Some(base) => {
                    let before = rows(base, &keys, &scenarios, Evals::Off)?;
                    append_only::delta(&before, wanted).map_err(|error| error.at(place))?
                }
                None => wanted,
            };
            self.add_change(entry, &wanted);
            self.plan.benchmarks.extend(wanted);
        }
        Ok(())
    }

    /// Notes which curves an entry makes the run measure.
    fn add_change(&mut self, entry: &Entry, wanted: &[Row]) {
        let curves: BTreeSet<CurveKey> = wanted.iter().map(Row::curve_key).collect();
        if curves.is_empty() {
            return;
        }
        self.plan.changes.push(MeasuredChange {
            config_keys: entry.config_keys.clone(),
            description: entry.description.clone(),
            pr_link: entry.pr_link.clone(),
            curves: curves.into_iter().collect(),
        });
    }

    fn add_evals(&mut self, entry: &Entry, keys: &[&'a ConfigKey]) -> Result<(), PlanError> {
        let evals = if self.options.all_evals || entry.all_evals {
            Evals::All
        } else {
            Evals::Only
        };
        for (scenarios, keys) in self.evaluated.claim(keys, &entry.scenarios()) {
            let mut wanted = rows(self.head, &keys, &scenarios, evals)?;
            if let Some(minimum) = entry.eval_min_prefill_ep {
                wanted.retain(|row| match &row.layout {
                    Layout::SingleNode(_) => true,
                    Layout::MultiNode { prefill, .. } => prefill.parallelism.ep >= minimum,
                });
            }
            self.plan.evals.extend(wanted);
        }
        Ok(())
    }
}

/// The rows of config keys; an empty list of scenarios means all.
fn rows(catalog: &Catalog, keys: &[&ConfigKey], scenarios: &[ScenarioType], evals: Evals) -> Result<Vec<Row>, SelectError> {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let test = TestConfig {
        scenarios: scenarios.iter().map(|scenario| kind(*scenario)).collect(),
        ..TestConfig::default()
    };
    test_config(catalog, &keys, &test, Some(evals))
}

fn kind(scenario: ScenarioType) -> ScenarioKind {
    match scenario {
        ScenarioType::FixedSeqLen => ScenarioKind::FixedSeqLen,
        ScenarioType::AgenticCoding => ScenarioKind::AgenticCoding,
    }
}
