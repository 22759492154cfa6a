//! InferenceX's normalised results, `agg_bmk.json` and `agg_*.json`: since 19 December 2025 with the keys that imax writes, before with fewer.
//! Source: <https://github.com/SemiAnalysisAI/InferenceX/blob/main/utils/process_result.py> and its history.

use super::collector::{Collector, RowProblem};
use super::facts::{Fact, Facts};
use super::{ImportFormat, ImportHints, Imported};
use crate::result::{Agg, Json, Object, Point, PointOutcome};

/// Ends of `hw` that name a cluster or a kind of job, not the GPU.
const SUFFIXES: [&str; 8] = ["-multinode-slurm", "-disagg", "-trt", "-nvs", "-amds", "-dgxc", "-nb", "_0"];
/// Earlier names of engines. `sglang-disagg` says disaggregation by its name.
const ALIASES: [(&str, &str); 2] = [("dynamo-trtllm", "dynamo-trt"), ("sglang-disagg", "mori-sglang")];

pub(super) fn wrote(document: &Object) -> bool {
    document.contains_key("tput_per_gpu") && document.contains_key("hw")
}

pub(super) fn read(documents: &[Json], hints: &ImportHints) -> Imported {
    let mut collector = Collector::new(ImportFormat::Inferencex, hints);
    for (index, document) in documents.iter().enumerate() {
        let place = format!("[{index}]");
        let added = match document.as_object() {
            Some(object) => add(&mut collector, object.clone(), Facts::default()),
            None => Err(RowProblem::Other(format!("found {}, expected an object", document.kind()))),
        };
        if let Err(problem) = added {
            collector.refuse(&place, problem, &document.to_pretty());
        }
    }
    collector.finish()
}

/// Adds a normalised document of either age.
pub(super) fn add(collector: &mut Collector<'_>, document: Object, mut facts: Facts) -> Result<(), RowProblem> {
    if let Some(seconds) = document
        .get("imax")
        .and_then(|block| block.get("benchmark_end_time_unix")?.as_number())
        && let Some(date) = super::subject::date_of_seconds(seconds)
    {
        facts.say_default(Fact::Date, &date, "imax.benchmark_end_time_unix");
    }
    collector.complete(&mut facts);
    let point = point(modernised(document))?;
    collector.add_point(&facts, point)
}

fn point(document: Object) -> Result<Point, RowProblem> {
    let agg = Agg::from_json(Json::Object(document)).map_err(|error| RowProblem::Other(error.to_string()))?;
    let point = agg.point().map_err(|error| RowProblem::Other(error.to_string()))?;
    match &point.outcome {
        PointOutcome::Measured(_) => Ok(point),
        PointOutcome::Failed(failure) => Err(RowProblem::Other(failure.reason.clone())),
    }
}

fn text(document: &Object, key: &str) -> Option<String> {
    document.get(key)?.as_text().map(str::to_owned)
}

/// The document with today's keys and names.
fn modernised(mut document: Object) -> Object {
    if document.contains_key("imax") {
        return document;
    }
    if let Some(hardware) = text(&document, "hw") {
        document.insert("hw".to_owned(), plain_hardware(&hardware).into());
    }
    if let Some(framework) = text(&document, "framework") {
        let alias = ALIASES.iter().find(|(earlier, _)| *earlier == framework);
        if let Some((earlier, now)) = alias {
            document.insert("framework".to_owned(), (*now).into());
            if *earlier == "sglang-disagg" {
                document.insert("disagg".to_owned(), Json::Bool(true));
            }
        }
    }
    if let Some(image) = text(&document, "image") {
        // Artifact names could not have slashes.
        document.insert("image".to_owned(), image.replace('#', "/").as_str().into());
    }
    if !document.contains_key("infmax_model_prefix")
        && let Some(model) = text(&document, "model")
    {
        let short = model.trim_end_matches('/').rsplit('/').next().unwrap_or(&model).to_owned();
        document.insert("infmax_model_prefix".to_owned(), short.as_str().into());
    }
    if !document.contains_key("spec_decoding") {
        let drafting = match text(&document, "mtp").as_deref() {
            Some("on") => "mtp",
            Some(_) | None => "none",
        };
        document.insert("spec_decoding".to_owned(), drafting.into());
    }
    document
}

fn plain_hardware(name: &str) -> &str {
    let mut plain = name;
    while let Some(shorter) = SUFFIXES
        .iter()
        .find_map(|suffix| plain.strip_suffix(suffix))
        .filter(|shorter| !shorter.is_empty())
    {
        plain = shorter;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::plain_hardware;

    #[test]
    fn clusters_are_no_hardware() {
        for (name, plain) in [
            ("h200-trt", "h200"),
            ("gb200-nvs_0", "gb200"),
            ("mi355x-amds-disagg", "mi355x"),
            ("h100", "h100"),
        ] {
            assert_eq!(plain_hardware(name), plain, "{name}");
        }
    }
}
