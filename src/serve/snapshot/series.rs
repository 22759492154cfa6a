//! The points of a model over time: their names, keys and levels. The values are in the points.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Value, json};

use super::SnapshotError;
use super::ask::{Asker, model_filter};
use super::points::Measured;
use super::shards::Shards;
use crate::analysis::{Filter, INTERVAL_COLUMNS, value_columns};
use crate::model::{Concurrency, CurveKey, Metric, PointKey};
use crate::store::database::PointSelection;

/// A shard of series.
#[derive(Debug, Serialize)]
pub(super) struct SeriesShard {
    model: String,
    shard: String,
}

/// Levels of a branch.
#[derive(Debug, Default, Serialize)]
struct Levels {
    method: String,
    /// By metric.
    levels: BTreeMap<&'static str, Value>,
}

/// A point over time.
#[derive(Debug, Serialize)]
struct Series {
    point: String,
    key: PointKey,
    curve: String,
    /// By branch.
    branches: BTreeMap<String, Levels>,
}

/// Writes the series of a model's measured points.
pub(super) async fn write(
    asker: &mut Asker,
    shards: &mut Shards,
    model: &str,
    branches: &[String],
    measured: &Measured,
) -> Result<SeriesShard, SnapshotError> {
    let filter = model_filter(model);
    let unknown = |detail: String| SnapshotError::Answer {
        path: filter.clone(),
        detail,
    };
    let selection = PointSelection {
        filters: vec![filter.parse::<Filter>().map_err(|error| unknown(error.to_string()))?],
        ..PointSelection::default()
    };
    let mut reader = asker.app.reader().await.map_err(|error| unknown(error.to_string()))?;
    let keys = reader.curve_keys(&selection).await?;
    let keys: HashMap<String, CurveKey> = keys.into_values().map(|key| (key.identity().to_string(), key)).collect();
    let mut series: BTreeMap<PointKey, Series> = measured.iter().filter_map(|(curve, conc)| series_of(&keys, curve, *conc)).collect();
    for branch in branches {
        for kept in reader.kept_levels(&selection, branch).await? {
            let Some(series) = series.get_mut(&kept.key) else { continue };
            let levels = kept.levels.iter().map(|levels| (levels.metric.id(), json!(levels.levels)));
            let levels = Levels {
                levels: levels.collect(),
                method: kept.method,
            };
            series.branches.insert(branch.clone(), levels);
        }
    }
    reader.give_back();
    let series: Vec<Series> = series.into_values().collect();
    Ok(SeriesShard {
        model: model.to_owned(),
        shard: shards.put("series", &json!({ "metrics": statistics(), "series": series }))?,
    })
}

fn series_of(keys: &HashMap<String, CurveKey>, curve: &str, conc: i64) -> Option<(PointKey, Series)> {
    let key = PointKey {
        curve: keys.get(curve)?.clone(),
        conc: u32::try_from(conc).ok().and_then(Concurrency::new)?,
    };
    let series = Series {
        point: key.to_string(),
        key: key.clone(),
        curve: curve.to_owned(),
        branches: BTreeMap::new(),
    };
    Some((key, series))
}

/// The columns of each metric, as `/api/v1/series` takes them.
fn statistics() -> BTreeMap<&'static str, Value> {
    let of = Metric::ALL.into_iter().map(|metric| {
        let (mean, median) = value_columns(metric);
        let interval = INTERVAL_COLUMNS.iter().find(|(known, _)| *known == metric).map(|(_, name)| *name);
        (metric.id(), json!({ "mean": mean, "median": median, "interval": interval }))
    });
    of.collect()
}
