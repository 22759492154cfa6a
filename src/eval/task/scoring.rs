//! `metric_list`: how answers are scored.

use super::MetricUse;
use super::filters::{flag, patterns};
use super::read::OTHER_ENGINE;
use crate::eval::metric::{ExactMatch, Metric};
use crate::yaml::{Node, Object, Reader};

const KNOWN: [&str; 8] = [
    "metric",
    "aggregation",
    "higher_is_better",
    "hf_evaluate",
    "ignore_case",
    "ignore_punctuation",
    "ignore_numbers",
    "regexes_to_ignore",
];

pub(super) fn read(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Vec<MetricUse>> {
    let Some(node) = object.get("metric_list") else {
        return Some(vec![MetricUse {
            metric: Metric::ExactMatch(ExactMatch::default()),
            higher_is_better: true,
        }]);
    };
    let items = reader.list(node, "metric_list")?;
    let metrics: Vec<_> = items.iter().map(|item| metric(item, reader)).collect();
    metrics.into_iter().collect()
}

fn metric(node: &Node, reader: &mut Reader<'_>) -> Option<MetricUse> {
    let object = reader.object(node, "metric_list", &KNOWN)?;
    let name_node = reader.required(&object, "metric", "metric_list")?;
    let name = reader.text(name_node, "metric")?;
    if let Some(node) = object.get("aggregation")
        && let Some(other) = reader.text(node, "aggregation").filter(|text| *text != "mean")
    {
        let message = format!("aggregation `{other}` is not supported, expected mean");
        reader.error_with_help(node.span, "unsupported-key", message, OTHER_ENGINE);
    }
    let higher_is_better = flag(&object, reader, "higher_is_better", true)?;
    flag(&object, reader, "hf_evaluate", false)?;
    let (ignore_case, ignore_punctuation, ignore_numbers) = (
        flag(&object, reader, "ignore_case", false)?,
        flag(&object, reader, "ignore_punctuation", false)?,
        flag(&object, reader, "ignore_numbers", false)?,
    );
    let regexes_to_ignore = patterns(&object, reader)?;
    let metric = match name {
        "exact_match" => Metric::ExactMatch(ExactMatch {
            ignore_case,
            ignore_punctuation,
            ignore_numbers,
            regexes_to_ignore,
        }),
        "acc" => Metric::Accuracy,
        other => {
            let message = format!("metric `{other}` is not supported, expected exact_match or acc");
            reader.error_with_help(name_node.span, "unsupported-key", message, OTHER_ENGINE);
            return None;
        }
    };
    Some(MetricUse { metric, higher_is_better })
}
