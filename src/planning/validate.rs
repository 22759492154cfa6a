//! Whether a change of the changelog can be planned.

use super::Warn;
use super::change::Change;
use super::changelog_files::ChangelogFiles;
use super::config_files::ConfigFiles;
use super::plan::{PlanningError, RefsTrigger, planned_rows};

#[derive(Debug)]
pub(crate) struct ValidateRequest {
    pub revisions: RefsTrigger,
    pub changelog: ChangelogFiles,
    pub configs: ConfigFiles,
}

#[derive(Debug)]
pub(crate) struct Validated {
    pub new_entries: usize,
    pub benchmarks: usize,
    pub evals: usize,
}

/// Checks that a change only adds entries, ends with a line break, and can be planned.
///
/// # Errors
/// [`PlanningError`].
pub(crate) fn validate(request: &ValidateRequest, warn: Warn<'_>) -> Result<Validated, PlanningError> {
    let RefsTrigger {
        base,
        head,
        merge_base,
        options,
    } = &request.revisions;
    let change = Change::between_refs(base, head, *merge_base, &request.changelog)?;
    change.check_final_line_break(&request.changelog)?;
    let planned = planned_rows(&change, &request.configs, *options, &[], warn)?;
    Ok(Validated {
        new_entries: change.added.len(),
        benchmarks: planned.benchmarks.len(),
        evals: planned.evals.len(),
    })
}
