//! Results of an earlier sweep of the same folder.

use std::path::Path;

use crate::job::{JobRecord, Outcome};
use crate::matrix::Row;
use crate::system::untrusted;

/// Whether the folder has the record of a job that measured this very row and succeeded.
pub(super) fn has_succeeded(folder: &Path, row: &Row) -> bool {
    let Ok(text) = untrusted::read_text(&folder.join("job.json")) else {
        return false;
    };
    serde_json::from_str::<JobRecord>(&text).is_ok_and(|record| record.row == *row && record.outcome == Outcome::Ok)
}
