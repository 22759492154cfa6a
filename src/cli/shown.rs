//! Which points a command shows, and in which tables: the arguments that `imax report` and `imax compare` share.

use clap::Args;

use crate::analysis::{self, Comparison, Filter, Grouping, PointField, Run};

/// Which points are shown, and what those of one table have in common.
#[derive(Debug, Args)]
pub struct ShownArgs {
    /// Only points that match: model, hardware, framework, precision, sequence, layout or conc, = and a glob. Several of one key
    /// are alternatives.
    #[arg(long = "filter", value_name = "KEY=GLOB")]
    filters: Vec<Filter>,
    /// What the points of one table have in common, of the keys of --filter.
    #[arg(long, value_name = "KEYS", value_delimiter = ',', default_value = "model,hardware")]
    group_by: Vec<PointField>,
}

impl ShownArgs {
    /// Leaves of a run and of its comparison what is shown.
    pub fn select(&self, run: &mut Run, comparison: Option<&mut Comparison>) {
        analysis::select(run, comparison, &self.filters);
    }

    /// What the points of one table have in common.
    #[must_use]
    pub fn grouping(&self) -> Grouping {
        Grouping::by(&self.group_by)
    }
}
