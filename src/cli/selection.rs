//! Which points a command shows, and in which tables: the arguments that `imax report` and `imax compare` share.

use clap::Args;

use crate::analysis::{Filter, Grouping, PointField};

/// Which points are shown, and how they are grouped.
#[derive(Debug, Args)]
pub struct SelectionArgs {
    /// Show only points that match: model, hardware, framework, precision, sequence, layout or conc, = and a glob. Several filters of
    /// one key are alternatives.
    #[arg(long = "filter", value_name = "KEY=GLOB")]
    filters: Vec<Filter>,
    /// Make one table for each combination of these keys, which are those of --filter.
    #[arg(long, value_name = "KEYS", value_delimiter = ',', default_value = "model,hardware")]
    group_by: Vec<PointField>,
}

impl SelectionArgs {
    /// The filters and the grouping.
    pub fn into_parts(self) -> (Vec<Filter>, Grouping) {
        let Self { filters, group_by } = self;
        (filters, Grouping::by(&group_by))
    }
}
