//! Arguments of `imax report` and `imax compare` that select the points shown and group them into tables.

use clap::Args;

use crate::analysis::{Filter, Grouping, PointField};

#[derive(Debug, Args)]
pub struct SelectionArgs {
    /// Show only points that match. Keys: model, hardware, framework, precision, sequence, layout, conc. Several filters with the same key
    /// are alternatives.
    #[arg(long = "filter", value_name = "KEY=GLOB")]
    filters: Vec<Filter>,
    /// Make one table per combination of these keys, which are those of --filter.
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
