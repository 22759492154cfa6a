//! What lies between the last good and the first bad run of a change, and the comment that measures only the points that changed.

use std::collections::BTreeSet;

use super::change_threads::ChangeThread;
use crate::model::{PointKey, Workload};

/// The most config keys of a comment: more are no longer "only the affected points".
const MOST_KEYS: usize = 20;

/// The comment that measures the points of a thread, for a pull request whose head is the commit in question. `None` for points whose names no
/// comment can have, or whose configurations are too many. The words are those of the `/sweep` command.
#[must_use]
pub fn sweep_comment(thread: &ChangeThread) -> Option<String> {
    let points = thread.points();
    let keys: BTreeSet<String> = points.iter().map(|point| config_key(point)).collect();
    if keys.is_empty() || keys.len() > MOST_KEYS || !keys.iter().all(|key| is_word(key)) {
        return None;
    }
    let concurrencies: BTreeSet<u32> = points.iter().map(|point| point.conc.get()).collect();
    let mut words = vec!["/sweep full".to_owned()];
    words.extend(keys);
    words.push(format!("conc={}", joined(&concurrencies)));
    if let Some(lengths) = lengths(&points) {
        words.push(format!("seq-lens={}", joined(&lengths)));
    }
    Some(words.join(" "))
}

/// The pattern of the keys of master configs that a point belongs to: `<model>-<precision>-<gpu>-<engine>`, with variants behind it.
fn config_key(point: &PointKey) -> String {
    let curve = &point.curve;
    let (model, precision, hardware, framework) = (&curve.model_prefix, &curve.precision, &curve.runner, &curve.framework);
    format!("{model}-{precision}-{hardware}-{framework}*")
}

/// Names in the command are of these characters, in which no shell and no page sees anything else.
fn is_word(key: &str) -> bool {
    key.len() <= 200 && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*'))
}

/// The short names of all workloads; `None` where one has no short name and so cannot be asked for.
fn lengths(points: &[&PointKey]) -> Option<BTreeSet<&'static str>> {
    let names = points.iter().map(|point| match &point.curve.workload {
        Workload::FixedSeqLen(lengths) => lengths.short_name(),
        Workload::AgenticCoding => None,
    });
    names.collect()
}

fn joined<T: ToString>(values: &BTreeSet<T>) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(",")
}

/// A state that some run of the history measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredCommit {
    pub commit: String,
    /// Whether it says something about the thread: runs of all of it that are good or bad are no longer in question.
    pub is_decided: bool,
}

/// The commit to measure next among those between good and bad, oldest first: the middle of those that are not decided.
#[must_use]
pub fn middle(between: &[MeasuredCommit]) -> Option<&str> {
    let open: Vec<&str> = between
        .iter()
        .filter(|found| !found.is_decided)
        .map(|found| found.commit.as_str())
        .collect();
    let middle = open.len().checked_sub(1)? / 2;
    open.get(middle).copied()
}

/// The commands that make a pull request of a commit and measure it. `good` and `bad` are commits; without a `middle` that the history knows,
/// Git finds it. `None` without a good one, or for names that are not commits.
#[must_use]
pub fn commands(id: &str, good: &[&str], bad: &str, middle: Option<&str>, comment: &str) -> Option<String> {
    let is_commit = |text: &&str| (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let first = good.first()?;
    if !good.iter().copied().chain([bad]).chain(middle).all(|text| is_commit(&text)) {
        return None;
    }
    let without: Vec<String> = good.iter().map(|good| format!("^{good}")).collect();
    let commit = middle.map_or_else(|| format!("$(git rev-list --bisect {bad} {})", without.join(" ")), str::to_owned);
    Some(format!(
        "git push origin \"{commit}:refs/heads/bisect-{id}\"\n\
         gh pr create --draft --head bisect-{id} --title 'Bisect {id}' --body 'Measures a commit between {first} and {bad}. Do not merge.'\n\
         gh pr comment bisect-{id} --body '{comment}'"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::json;

    use super::*;
    use crate::analysis::{Level, LevelChange, change_threads};
    use crate::model::Metric;

    fn thread(framework: &str, workloads: &[(u32, serde_json::Value)]) -> ChangeThread {
        let level = |run: i64, mean: f64| Level {
            from_run: run,
            to_run: run,
            from_ms: run,
            to_ms: run,
            runs: 6,
            mean,
            sd: None,
        };
        let change = |(conc, workload): &(u32, serde_json::Value)| {
            let key = json!({
                "curve": {
                    "model-prefix": "dsr1", "precision": "fp8", "runner": "h200", "framework": framework, "spec-decoding": "none",
                    "disagg": false, "workload": workload, "layout": "tp8"
                },
                "conc": conc
            });
            LevelChange {
                key: serde_json::from_value(key).unwrap(),
                metric: Metric::ThroughputPerGpu,
                before: level(1, 100.0),
                after: level(2, 90.0),
                newest: level(2, 90.0),
            }
        };
        change_threads(workloads.iter().map(change).collect()).remove(0)
    }

    #[test]
    fn comment_names_the_points_that_changed() {
        let lengths = |isl: u32, osl: u32| json!({ "fixed-seq-len": { "isl": isl, "osl": osl } });
        for (framework, workloads, expected) in [
            (
                "vllm",
                vec![(64, lengths(1024, 1024)), (16, lengths(1024, 1024)), (64, lengths(8192, 1024))],
                Some("/sweep full dsr1-fp8-h200-vllm* conc=16,64 seq-lens=1k1k,8k1k"),
            ),
            (
                "vllm",
                vec![(64, lengths(100, 50))],
                Some("/sweep full dsr1-fp8-h200-vllm* conc=64"),
            ),
            (
                "vllm",
                vec![(4, json!("agentic-coding"))],
                Some("/sweep full dsr1-fp8-h200-vllm* conc=4"),
            ),
            ("vllm' `id`", vec![(4, lengths(1024, 1024))], None),
        ] {
            assert_eq!(
                sweep_comment(&thread(framework, &workloads)).as_deref(),
                expected,
                "{framework} {workloads:?}"
            );
        }
    }

    #[test]
    fn middle_is_of_what_is_not_decided() {
        let commit = |(name, is_decided): &(&str, bool)| MeasuredCommit {
            commit: (*name).to_owned(),
            is_decided: *is_decided,
        };
        for (between, expected) in [
            (vec![], None),
            (vec![("a", true)], None),
            (vec![("a", false)], Some("a")),
            (vec![("a", false), ("b", false)], Some("a")),
            (vec![("a", false), ("b", true), ("c", false), ("d", false)], Some("c")),
        ] {
            let between: Vec<MeasuredCommit> = between.iter().map(commit).collect();
            assert_eq!(middle(&between), expected, "{between:?}");
        }
    }

    #[test]
    fn commands_are_made_of_commits_alone() {
        let good = "1111111111111111111111111111111111111111";
        let text = commands("abc", &[good, "4444444"], "2222222", None, "/sweep full a-b").unwrap();
        assert!(
            text.contains(&format!("$(git rev-list --bisect 2222222 ^{good} ^4444444):refs/heads/bisect-abc")),
            "{text}"
        );
        assert!(
            commands("abc", &[good], "2222222", Some("3333333"), "/sweep")
                .unwrap()
                .contains("\"3333333:refs/heads/bisect-abc\"")
        );
        assert_eq!(commands("abc", &[], "2222222", None, "/sweep"), None);
        for wrong in ["main", "", "12345; id", "$(id)00000"] {
            assert_eq!(commands("abc", &[good], wrong, None, "/sweep"), None, "{wrong}");
            assert_eq!(commands("abc", &[wrong], "2222222", None, "/sweep"), None, "{wrong}");
            assert_eq!(commands("abc", &[good], "2222222", Some(wrong), "/sweep"), None, "{wrong}");
        }
    }
}
