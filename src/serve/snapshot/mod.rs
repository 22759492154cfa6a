//! The answers of the API as files: what the dashboards read where no server is. `imax publish --site` writes them beside the pages, a report has
//! them inside. Levels, changes, frontiers, comparisons and costs are asked of the API's own routes, so that each is computed in one place; points
//! are written as tables, from which `web/src/source` selects.

mod ask;
mod index;
mod newest;
mod points;
mod records;
mod report;
mod series;
mod shards;
mod site;
mod statistics;
mod table;

#[cfg(test)]
pub(super) use ask::Asker;
pub(crate) use report::{ReportSource, report_pages};
pub(crate) use site::{SiteRequest, publish_site};

use super::ServeError;
use crate::store::database::DatabaseError;
use crate::store::history::RunDatabaseError;
use crate::system::files::FileError;

/// Why pages cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error(transparent)]
    Source(#[from] ServeError),
    #[error(transparent)]
    Run(#[from] RunDatabaseError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the history has no answer to {path}: {detail}")]
    Answer { path: String, detail: String },
    #[error("the answer to {path} is not what the pages read: {source}")]
    Form { path: String, source: serde_json::Error },
    #[error("cannot write the data of the pages as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0} has files and is not a site of imax; name a new or empty folder, or one that imax publish --site wrote")]
    Foreign(String),
}
