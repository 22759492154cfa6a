//! Runs as a Parquet file, one row a point or score: the columns of the databases, for DuckDB, pandas and Spark, and back without a loss.
//! Texts are strings, numbers doubles, times milliseconds since 1970, null what is not known. The columns `run_document`, `key` and
//! `document` hold as JSON what identifies a run, a point and a score.

mod reader;
mod schema;
mod table;
mod writer;

use ::parquet::errors::ParquetError;

use super::{HistoryRun, RowError};
use crate::model::PointKeyError;

pub use reader::runs_of_parquet;
pub use table::{Cell, ColumnKind, TableWriter};
pub use writer::runs_to_parquet;

/// A run with the name that a store of files gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedRun {
    pub name: String,
    pub run: HistoryRun,
}

/// Why runs have no Parquet form, or a file is not one of runs.
#[derive(Debug, thiserror::Error)]
pub enum RunsFileError {
    #[error("not a whole Parquet file ({0}); write it again, or copy it again from where it is whole")]
    Parquet(#[from] ParquetError),
    #[error("column `{0}` is missing or has another type; expected a file that imax wrote")]
    Column(String),
    #[error("column `{0}` is unknown to this version of imax; read the file with the imax that wrote it, or a newer one")]
    UnknownColumn(String),
    #[error("{rows} rows and {bytes} bytes of text, more than the limit of {MAX_ROWS} rows and {MAX_TEXT} bytes")]
    TooLarge { rows: usize, bytes: usize },
    #[error("row {row}: {source}")]
    Row { row: usize, source: RowError },
    #[error("row {row}: {source}")]
    Key { row: usize, source: PointKeyError },
    #[error("row {row}: `{column}` is invalid: {source}")]
    Json {
        row: usize,
        column: &'static str,
        source: serde_json::Error,
    },
    #[error("row {row}: `record` is {found:?}, expected point or score")]
    Record { row: usize, found: String },
    #[error("row {row}: `{column}` is null")]
    Null { row: usize, column: &'static str },
}

/// The most rows of a file that is read.
const MAX_ROWS: usize = 2_000_000;
/// The most text of a file that is read, bytes: a small file can claim to hold much.
const MAX_TEXT: usize = 1 << 30;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use std::collections::BTreeSet;
    use std::sync::Arc;

    use ::parquet::basic::{Repetition, Type as PhysicalType};
    use ::parquet::data_type::Int64Type;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::types::Type;
    use bytes::Bytes;

    use super::schema::columns;
    use super::*;
    use crate::analysis::RunRows;

    /// Ten nights with measured and failed points.
    fn ten_nights() -> Vec<NamedRun> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/report/history/history");
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let named = |path: &std::path::PathBuf| NamedRun {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            run: HistoryRun::parse(&std::fs::read_to_string(path).unwrap()).unwrap(),
        };
        paths.iter().map(named).collect()
    }

    /// What stores keep of a run: the order of its points is that of their keys.
    fn rows(run: &NamedRun) -> RunRows {
        let mut run = run.run.clone();
        run.run.points.sort_by(|left, right| left.key.cmp(&right.key));
        RunRows::of(run).unwrap()
    }

    #[test]
    fn column_names_are_unique() {
        let columns = columns();
        let names: BTreeSet<_> = columns.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), columns.len());
    }

    #[test]
    fn runs_come_back_without_a_loss() {
        let mut runs = ten_nights();
        let mut empty = runs[0].clone();
        empty.name = "nothing".to_owned();
        empty.run.run.points.clear();
        empty.run.run.evals.clear();
        runs.push(empty);
        let read = runs_of_parquet(runs_to_parquet(&runs).unwrap().into()).unwrap();
        assert_eq!(read.len(), runs.len());
        for (read, written) in read.iter().zip(&runs) {
            assert_eq!(read.name, written.name);
            let (read, written) = (rows(read), rows(written));
            assert_eq!((&read.identity, &read.header), (&written.identity, &written.header));
            let digests = |rows: &RunRows| rows.points.iter().map(|row| row.digest).collect::<Vec<_>>();
            assert_eq!(digests(&read), digests(&written));
            assert_eq!(read.evals, written.evals);
        }
    }

    #[test]
    fn cut_and_foreign_files_are_errors() {
        let whole = runs_to_parquet(&ten_nights()).unwrap();
        for length in [0, 4, whole.len() / 2, whole.len() - 1] {
            let cut = Bytes::copy_from_slice(&whole[..length]);
            assert!(matches!(runs_of_parquet(cut), Err(RunsFileError::Parquet(_))), "{length} bytes");
        }
        let field = Type::primitive_type_builder("n", PhysicalType::INT64)
            .with_repetition(Repetition::OPTIONAL)
            .build()
            .unwrap();
        let schema = Type::group_type_builder("other")
            .with_fields(vec![Arc::new(field)])
            .build()
            .unwrap();
        let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[1], Some(&[1]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        let other = writer.into_inner().unwrap();
        assert!(matches!(runs_of_parquet(other.into()), Err(RunsFileError::UnknownColumn(name)) if name == "n"));
    }
}
