//! Merges the results of a load's shards, read from a folder, into the result of the whole load.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shard_arrays::{RequestArrays, RequestsByNumber, WrongLength};
use crate::load::shard_merge::{MergeError, MergedLoad, ShardFile, merge};
use crate::load::shard_result::{RequestResult, ShardResult};
use crate::system::files::{self, FileError};
use crate::system::untrusted;

/// Maximum size of a shard's result, bytes: about three million requests.
const LARGEST: u64 = 1 << 30;

/// Why there is no result of the whole load.
#[derive(Debug, thiserror::Error)]
pub enum ShardsError {
    /// A file or the folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not a raw result.
    #[error("{}: not a raw result of imax bench: {source}; keep the results of the shards in a folder of their own", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Arrays that do not have a value for each request of the shard.
    #[error(
        "{}: `{array}` has {found} values, expected {expected}, one for each request of the shard; run all shards with --save-detailed, or none",
        path.display()
    )]
    Arrays {
        /// The file.
        path: PathBuf,
        /// The array.
        array: &'static str,
        /// Its length.
        found: usize,
        /// Requests of the shard.
        expected: usize,
    },
    /// The shards cannot be merged into one load.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

/// A whole load and the file with its result.
#[derive(Debug)]
pub struct CollectedShards {
    /// The load.
    pub load: MergedLoad,
    /// The file.
    pub path: PathBuf,
}

#[derive(Deserialize)]
struct RawResult {
    imax: Option<OwnBlock>,
    #[serde(flatten)]
    arrays: RequestArrays,
}

/// The result of the whole load.
#[derive(Serialize)]
struct WholeResult {
    #[serde(flatten)]
    figures: Value,
    #[serde(flatten)]
    arrays: Option<RequestArrays>,
}

#[derive(Deserialize)]
struct OwnBlock {
    shard: Option<ShardResult>,
    #[serde(default)]
    notices: Vec<Value>,
    #[serde(default)]
    engine_metrics: Value,
}

/// Merges the shards whose results are in a folder, and writes the result of the whole load into `out`. Results without a shard are
/// ignored.
///
/// # Errors
/// [`ShardsError`], naming the file.
pub fn collect_shards(folder: &Path, out: &Path) -> Result<CollectedShards, ShardsError> {
    let mut shards = Vec::new();
    let mut notices: Vec<Value> = Vec::new();
    let mut engine_metrics = Value::Null;
    let mut arrays = Vec::new();
    for path in files::named(folder, &["json"])? {
        let read = read(&path)?;
        let Some(block) = read.imax else { continue };
        let Some(result) = block.shard else { continue };
        arrays.push((
            path.clone(),
            read.arrays,
            result.requests.iter().map(RequestResult::index).collect(),
        ));
        notices.extend(
            block
                .notices
                .into_iter()
                .filter(|notice| !notices.contains(notice))
                .collect::<Vec<_>>(),
        );
        // All clients sampled the same engine, so the samples of one suffice.
        if engine_metrics.is_null() {
            engine_metrics = block.engine_metrics;
        }
        let name = path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        shards.push(ShardFile { name, result });
    }
    let load = merge(shards)?;
    let mut result = load.raw_result_json();
    result["imax"]["notices"] = Value::Array(notices);
    result["imax"]["engine_metrics"] = engine_metrics;
    let path = out.join(load.file_name());
    let result = WholeResult {
        figures: result,
        arrays: in_order_of_load(arrays)?,
    };
    files::write_json(&path, &result)?;
    Ok(CollectedShards { load, path })
}

/// The arrays of all shards, each with its file and the numbers of its requests; `None` if none has any.
fn in_order_of_load(shards: Vec<(PathBuf, RequestArrays, Vec<u32>)>) -> Result<Option<RequestArrays>, ShardsError> {
    if shards.iter().all(|(_, arrays, _)| arrays.is_empty()) {
        return Ok(None);
    }
    let mut whole = RequestsByNumber::default();
    for (path, arrays, numbers) in shards {
        let added = whole.add(arrays, &numbers);
        added.map_err(|WrongLength { array, found, expected }| ShardsError::Arrays {
            path,
            array,
            found,
            expected,
        })?;
    }
    Ok(Some(whole.arrays()))
}

fn bounded_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    untrusted::open_regular_through_links(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(size) if size <= LARGEST => Ok(bytes),
        Ok(_) | Err(_) => Err(io::Error::other(format!("over {LARGEST} bytes"))),
    }
}

fn read(path: &Path) -> Result<RawResult, ShardsError> {
    let bytes = bounded_bytes(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|source| ShardsError::Json {
        path: path.to_owned(),
        source,
    })
}
