//! What a run keeps beside its points, from the artifacts of its jobs: `job.json`, and the arrays and seconds of raw results. Whatever is missing
//! or has another form is left out: it explains results and decides nothing.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::analysis::{
    EngineReading, JobSummary, LogExcerpt, PhaseTime, PointDistributions, RunRecord, Sketch, TimeSlice, engine_slices, slices,
};
use crate::model::saturating;
use crate::model::{CurveKey, PointKey};
use crate::store::artifacts;

/// The longest text that is kept, characters: records are files from outside.
const LONGEST: usize = 2000;
/// The most phases of a job.
const MOST_PHASES: usize = 1000;

/// The record of a job; `None` for one without a name.
pub(super) fn job(record: &Value, curve: CurveKey, concurrencies: Vec<u32>, log: Option<LogExcerpt>) -> Option<RunRecord> {
    let provenance = &record["provenance"];
    let phases = record["phases"].as_array().into_iter().flatten().filter_map(phase);
    let failure = failure_of(&record["outcome"]);
    Some(RunRecord::Job(JobSummary {
        job_id: text(&record["job_id"])?,
        curve,
        concurrencies,
        outcome: failure.as_ref().map_or_else(|| "ok".to_owned(), |(class, _)| class.clone()),
        reason: failure.and_then(|(_, reason)| reason),
        started: text(&record["started"]),
        seconds: record["seconds"].as_f64(),
        attempts: saturating::to_u32(record["attempts"].as_array().map_or(0, Vec::len)).max(1),
        runner: text(&provenance["runner_name"]),
        node: text(&provenance["host"]),
        launcher: text(&provenance["launcher"]),
        phases: phases.take(MOST_PHASES).collect(),
        log,
    }))
}

fn phase(phase: &Value) -> Option<PhaseTime> {
    Some(PhaseTime {
        phase: text(&phase["phase"])?,
        seconds: phase["seconds"].as_f64()?,
        ending: text(&phase["ending"])?,
    })
}

/// Class and reason of a failure, whose form is that of [`crate::job::Outcome`].
fn failure_of(outcome: &Value) -> Option<(String, Option<String>)> {
    let outcome: crate::job::Outcome = serde_json::from_value(outcome.clone()).ok()?;
    let failure = outcome.failure()?;
    let reason = failure.reason.chars().take(LONGEST).collect();
    Some((failure.class.as_str().to_owned(), Some(reason)))
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.is_empty())?;
    Some(text.chars().take(LONGEST).collect())
}

/// The raw result beside a normalised one: `agg_x.json` is of `x.json`.
pub(super) fn raw_beside(agg: &Path) -> Option<PathBuf> {
    let name = agg.file_name()?.to_str()?.strip_prefix("agg_")?;
    let raw = agg.with_file_name(name);
    raw.is_file().then_some(raw)
}

/// The arrays of a raw result, as benchmark_serving.py writes them, and imax's seconds.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RawArrays {
    input_lens: Vec<f64>,
    output_lens: Vec<f64>,
    /// Seconds; 0 for a failed request.
    ttfts: Vec<f64>,
    itls: Vec<Vec<f64>>,
    imax: RawBlock,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawBlock {
    seconds: Vec<RawSecond>,
    /// Null where the engine has no known metrics.
    engine_metrics: Option<RawEngineMetrics>,
}

/// The engine's metrics; a load on several servers has no samples.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RawEngineMetrics {
    samples: Vec<EngineReading>,
}

/// [`crate::load::timeline::Second`], as far as it is kept.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RawSecond {
    second: u64,
    completed: u64,
    failed: u64,
    chunks: u64,
    mean_ttft_ms: Option<f64>,
    in_flight: u64,
}

/// The distributions of a point; `None` where its raw result has neither arrays nor seconds.
pub(super) fn distributions(point: &PointKey, raw: &Path) -> Option<RunRecord> {
    let text = artifacts::read_text(raw).ok()?;
    let arrays: RawArrays = serde_json::from_str(&text).ok()?;
    let found = distributions_of(point, &arrays);
    let is_empty = found.slices.is_empty() && found.ttft.is_empty() && found.input_lengths.is_empty() && found.output_lengths.is_empty();
    (!is_empty).then_some(RunRecord::Distributions(found))
}

fn distributions_of(point: &PointKey, arrays: &RawArrays) -> PointDistributions {
    let RawArrays {
        input_lens,
        output_lens,
        ttfts,
        itls,
        imax,
    } = arrays;
    let mut found = PointDistributions {
        point: point.clone(),
        input_lengths: Sketch::default(),
        output_lengths: Sketch::default(),
        ttft: Sketch::default(),
        itl: Sketch::default(),
        tpot: Sketch::default(),
        e2el: Sketch::default(),
        slices: slices(&imax.seconds.iter().map(slice).collect::<Vec<_>>()),
        engine: engine_slices(imax.engine_metrics.as_ref().map_or(&[], |metrics| &metrics.samples)),
    };
    for (index, ttft) in ttfts.iter().enumerate() {
        // A failed request has zeros, which are not values.
        if *ttft <= 0.0 {
            continue;
        }
        let gaps = itls.get(index).map_or(&[][..], Vec::as_slice);
        let generation: f64 = gaps.iter().sum();
        found.ttft.add(*ttft);
        found.itl.extend(gaps.iter().copied());
        found.input_lengths.extend(input_lens.get(index).copied());
        let length = output_lens.get(index).copied();
        found.output_lengths.extend(length);
        // As benchmark_serving.py: the time after the first token over the tokens after it.
        if let Some(length) = length.filter(|length| *length > 1.0) {
            found.tpot.add(generation / (length - 1.0));
        }
        found.e2el.add(ttft + generation);
    }
    found
}

fn slice(second: &RawSecond) -> TimeSlice {
    TimeSlice {
        second: second.second,
        seconds: 1,
        completed: second.completed,
        failed: second.failed,
        chunks: second.chunks,
        mean_ttft_ms: second.mean_ttft_ms,
        in_flight: second.in_flight,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::json;

    use super::*;

    fn point() -> PointKey {
        let key = json!({
            "curve": {
                "model-prefix": "demo", "precision": "fp8", "runner": "h100", "framework": "sim", "spec-decoding": "none", "disagg": false,
                "workload": "agentic-coding", "layout": "tp4"
            },
            "conc": 4
        });
        serde_json::from_value(key).unwrap()
    }

    fn written(document: &Value) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let agg = folder.path().join("agg_x.json");
        std::fs::write(folder.path().join("x.json"), document.to_string()).unwrap();
        (folder, agg)
    }

    #[test]
    fn arrays_and_seconds_become_sketches_and_slices() {
        let (_folder, agg) = written(&json!({
            "input_lens": [100, 100, 100], "output_lens": [3, 5, 0], "ttfts": [0.1, 0.2, 0.0],
            "itls": [[0.01, 0.03], [0.01, 0.01, 0.01, 0.01], []],
            "imax": { "seconds": [{ "second": 0, "completed": 2, "failed": 1, "chunks": 8, "mean_ttft_ms": 150.0, "in_flight": 0 }],
              "engine_metrics": { "max_running": 3.0, "samples": [{ "seconds": 0.5, "running": 3.0, "kv_cache_use": 0.25 }] } }
        }));
        let Some(RunRecord::Distributions(found)) = distributions(&point(), &raw_beside(&agg).unwrap()) else {
            panic!("no distributions");
        };
        let counts = [&found.ttft, &found.itl, &found.tpot, &found.e2el, &found.output_lengths].map(Sketch::count);
        assert_eq!(counts, [2, 6, 2, 2, 2], "the failed request has no values");
        let close = |found: Option<f64>, exact: f64| (found.unwrap() / exact - 1.0).abs() <= 0.011;
        assert!(close(found.ttft.quantile(1.0), 0.2) && close(found.tpot.quantile(1.0), 0.02));
        assert!(close(found.e2el.quantile(0.0), 0.14) && close(found.input_lengths.quantile(0.5), 100.0));
        assert_eq!((found.slices.len(), found.slices[0].chunks), (1, 8));
        assert_eq!((found.engine[0].running, found.engine[0].kv_cache_use), (Some(3.0), Some(0.25)));
    }

    #[test]
    fn other_results_have_none() {
        for document in [json!({ "ttfts": "many" }), json!([]), json!({ "median_ttft_ms": 1.0 })] {
            let (_folder, agg) = written(&document);
            assert_eq!(distributions(&point(), &raw_beside(&agg).unwrap()), None, "{document}");
        }
        assert_eq!(raw_beside(Path::new("/nonexistent/agg_x.json")), None);
    }
}
