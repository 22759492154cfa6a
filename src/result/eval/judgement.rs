//! The verdict on an evaluation that a recipe did itself, by the rules of InferenceX's validate_scores.py: every score of exact match is
//! compared with the threshold of its model and task, and an evaluation of several concurrencies must have all of them.

use std::collections::BTreeSet;

use super::super::{Json, number};
use super::{EvalFile, conc_of_name};
use crate::eval::score::Score;
use crate::eval::threshold::{Thresholds, Verdict};
use crate::model::Concurrency;

/// The least score of a task without a threshold, where other tasks have one.
const FALLBACK: f64 = 0.85;
/// The block of results that imax wrote.
const OWN_BLOCK: &str = "imax";
/// Scores that are compared. Their names end with the filter: `exact_match,strict-match`.
const COMPARED: &str = "exact_match,";

/// One score and the least that it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedScore {
    /// The concurrency in the file's name, for an evaluation of several.
    pub conc: Option<Concurrency>,
    pub task: String,
    /// Metric and filter: `exact_match,strict-match`.
    pub score_name: String,
    pub score: f64,
    pub stderr: Option<f64>,
    /// The 95% interval of the score, if the number of answers is known.
    pub interval_95: Option<[f64; 2]>,
    pub answered: usize,
    pub asked: usize,
    pub verdict: Verdict,
    /// The file's name.
    pub file: String,
}

impl JudgedScore {
    fn failure(&self) -> Option<String> {
        let threshold = match self.verdict {
            Verdict::Fail { threshold } => threshold,
            Verdict::Unjudged | Verdict::Pass { .. } | Verdict::Unsure { .. } => return None,
        };
        let conc = self.conc.map(|conc| format!(" at concurrency {conc}")).unwrap_or_default();
        Some(format!(
            "{} {}{conc} is {:.4}, threshold {threshold}",
            self.task, self.score_name, self.score
        ))
    }
}

/// The scores of an evaluation, and what else makes it invalid.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EvalJudgement {
    pub scores: Vec<JudgedScore>,
    /// Concurrencies that are missing, and the like, as sentences.
    pub problems: Vec<String>,
}

impl EvalJudgement {
    /// Why the evaluation has not passed; `None` if it has.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let below = self.scores.iter().filter_map(JudgedScore::failure);
        let all: Vec<String> = self.problems.iter().cloned().chain(below).collect();
        if all.is_empty() { None } else { Some(all.join("; ")) }
    }
}

/// Judges the result files of an evaluation. `meta` is the content of `meta_env.json`, if it could be read; `models` are the names of
/// the model for thresholds; `expected` are the concurrencies that the row asks for, where it says so.
#[must_use]
pub fn judge_evals(
    meta: Option<&Json>,
    files: &[EvalFile],
    thresholds: &Thresholds,
    models: &[&str],
    expected: Option<&[Concurrency]>,
) -> EvalJudgement {
    let mut judgement = EvalJudgement {
        scores: Vec::new(),
        problems: batch_problems(meta, files, expected),
    };
    for file in files {
        let tasks = file.content.get("results").and_then(Json::as_object);
        for (task, metrics) in tasks.into_iter().flatten() {
            judgement.scores.extend(scores_of_task(file, task, metrics, thresholds, models));
        }
    }
    if judgement.scores.is_empty() {
        judgement
            .problems
            .push("no result file has a score of exact match (`exact_match,…`)".to_owned());
    }
    judgement
}

/// The scores of a task: all of exact match; of results of imax the one that imax judges.
fn scores_of_task(file: &EvalFile, task: &str, metrics: &Json, thresholds: &Thresholds, models: &[&str]) -> Vec<JudgedScore> {
    let is_of_imax = file.content.get(OWN_BLOCK).is_some();
    let samples = file.content.get("n-samples").and_then(|all| all.get(task));
    let answered = samples.and_then(|counts| count(counts, "effective")).unwrap_or(0);
    let asked = samples.and_then(|counts| count(counts, "original")).unwrap_or(0).max(answered);
    let metrics = metrics.as_object().into_iter().flatten();
    let scores = metrics.filter_map(|(name, value)| {
        let filter = name.strip_prefix(COMPARED).filter(|_| !name.contains("stderr"))?;
        let mean = value.as_number()?;
        let score = u64::try_from(answered).ok().and_then(|answered| Score::of_mean(mean, answered));
        let verdict = match score {
            Some(score) if is_of_imax => thresholds.judge(models, task, &score),
            Some(_) | None => verdict(mean, thresholds, models, task),
        };
        Some(JudgedScore {
            conc: conc_of_name(&file.name).and_then(concurrency),
            task: task.to_owned(),
            score_name: name.clone(),
            score: mean,
            stderr: standard_error(file, task, filter),
            interval_95: score.map(|score| [score.interval.0, score.interval.1]),
            answered,
            asked,
            verdict,
            file: file.name.clone(),
        })
    });
    let scores: Vec<JudgedScore> = scores.collect();
    if is_of_imax { main_score(scores) } else { scores }
}

/// The score that imax judges: of the filter whose name contains `strict`, else the first.
fn main_score(mut scores: Vec<JudgedScore>) -> Vec<JudgedScore> {
    let main = scores.iter().position(|score| score.score_name.contains("strict")).unwrap_or(0);
    scores.drain(..).skip(main).take(1).collect()
}

/// Without the error of the score, as InferenceX judges.
fn verdict(score: f64, thresholds: &Thresholds, models: &[&str], task: &str) -> Verdict {
    let fallback = (!thresholds.is_empty()).then_some(FALLBACK);
    match thresholds.least(models, task).or(fallback) {
        None => Verdict::Unjudged,
        Some(threshold) if score >= threshold => Verdict::Pass { threshold },
        // NaN is below every threshold.
        Some(threshold) => Verdict::Fail { threshold },
    }
}

fn count(counts: &Json, key: &str) -> Option<usize> {
    usize::try_from(counts.get(key).and_then(number::whole)?).ok()
}

/// lm-eval writes a text where it has no standard error.
fn standard_error(file: &EvalFile, task: &str, filter: &str) -> Option<f64> {
    let results = file.content.get("results")?.get(task)?;
    results.get(&format!("exact_match_stderr,{filter}"))?.as_number()
}

fn concurrency(number: i64) -> Option<Concurrency> {
    u32::try_from(number).ok().and_then(Concurrency::new)
}

/// What is missing of an evaluation of several concurrencies. `meta_env.json` lists those that were asked for, done and failed.
fn batch_problems(meta: Option<&Json>, files: &[EvalFile], expected: Option<&[Concurrency]>) -> Vec<String> {
    let Some(meta) = meta else {
        let has_batch = files.iter().any(|file| conc_of_name(&file.name).is_some());
        let is_missing = expected.is_some() || has_batch;
        return is_missing
            .then(|| "meta_env.json is missing or invalid".to_owned())
            .into_iter()
            .collect();
    };
    let expected: Option<Vec<i64>> = expected.map(|concs| concs.iter().map(|conc| i64::from(conc.get())).collect());
    let Some(asked) = meta.get("eval_concs") else {
        return expected.map_or_else(Vec::new, |expected| single_problems(meta, files, &expected));
    };
    let lists = [Some(asked), meta.get("completed_eval_concs"), meta.get("failed_eval_concs")].map(|list| list.and_then(concurrencies));
    let [Some(asked), Some(completed), failed] = lists else {
        return vec!["the lists of concurrencies in meta_env.json are not lists of whole numbers from 1".to_owned()];
    };
    let expected = expected.unwrap_or_else(|| asked.clone());
    let mut problems = Vec::new();
    if set(&asked) != set(&expected) || set(&asked).len() != asked.len() {
        problems.push(format!(
            "meta_env.json has evaluations at concurrency {}, expected {} from the row",
            listed(&asked),
            listed(&expected)
        ));
    }
    let failed = failed.unwrap_or_default();
    if !failed.is_empty() {
        problems.push(format!("the evaluation failed at concurrency {}", listed(&failed)));
    }
    problems.extend(difference("completed evaluation", &expected, &completed));
    let in_files: Vec<i64> = files.iter().filter_map(|file| conc_of_name(&file.name)).collect();
    problems.extend(difference("result file", &expected, &in_files));
    let unnamed = files.iter().filter(|file| conc_of_name(&file.name).is_none());
    problems.extend(unnamed.map(|file| format!("{} has no concurrency in its name", file.name)));
    problems
}

/// An evaluation at one concurrency.
fn single_problems(meta: &Json, files: &[EvalFile], expected: &[i64]) -> Vec<String> {
    let [expected] = expected else {
        return vec!["the row asks for evaluations at several concurrencies, and meta_env.json lists none".to_owned()];
    };
    let mut problems = Vec::new();
    if meta.get("conc").and_then(number::whole) != Some(*expected) {
        problems.push(format!(
            "meta_env.json is of another concurrency than {expected}, which the row asks for"
        ));
    }
    if files.len() != 1 {
        problems.push(format!("found {} result files, expected one", files.len()));
    }
    problems
}

fn concurrencies(list: &Json) -> Option<Vec<i64>> {
    match list {
        Json::List(items) => items.iter().map(|item| number::whole(item).filter(|conc| *conc > 0)).collect(),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_) => None,
    }
}

fn set(list: &[i64]) -> BTreeSet<i64> {
    list.iter().copied().collect()
}

fn difference(what: &str, expected: &[i64], found: &[i64]) -> Vec<String> {
    let (expected, found) = (set(expected), set(found));
    let missing: Vec<i64> = expected.difference(&found).copied().collect();
    let surplus: Vec<i64> = found.difference(&expected).copied().collect();
    let mut problems = Vec::new();
    if !missing.is_empty() {
        problems.push(format!("no {what} at concurrency {}", listed(&missing)));
    }
    if !surplus.is_empty() {
        problems.push(format!("a {what} at concurrency {}, which was not asked for", listed(&surplus)));
    }
    problems
}

fn listed(concs: &[i64]) -> String {
    concs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceFile;

    const THRESHOLDS: &str = "default: {gsm8k: 0.9}\nmodels:\n  dsr1: {gsm8k: 0.91}\n";

    fn file(name: &str, strict: f64) -> EvalFile {
        let content = format!(
            r#"{{"results": {{"gsm8k": {{"alias": "gsm8k", "exact_match,strict-match": {strict}, "exact_match_stderr,strict-match": 0.01,
                "exact_match,flexible-extract": 0.95, "exact_match_stderr,flexible-extract": "N/A"}}}},
                "n-samples": {{"gsm8k": {{"original": 1319, "effective": 1319}}}}}}"#
        );
        EvalFile {
            name: name.to_owned(),
            source: name.to_owned(),
            modified_ns: 0,
            content: Json::parse(&content).unwrap(),
        }
    }

    fn failure(meta: Option<&str>, files: &[EvalFile], model: &str, expected: Option<&[u32]>) -> String {
        let thresholds = Thresholds::read(&SourceFile::new("t.yaml", THRESHOLDS)).unwrap();
        let meta = meta.map(|meta| Json::parse(meta).unwrap());
        let expected: Option<Vec<Concurrency>> = expected.map(|list| list.iter().map(|conc| Concurrency::new(*conc).unwrap()).collect());
        let judged = judge_evals(meta.as_ref(), files, &thresholds, &[model], expected.as_deref());
        judged.failure().unwrap_or_default()
    }

    #[test]
    fn score_is_compared_with_the_threshold_of_its_model() {
        let meta = Some(r#"{"conc": 4}"#);
        for (model, score, said) in [
            ("dsr1", 0.91, ""),
            ("dsr1", 0.905, "gsm8k exact_match,strict-match is 0.9050, threshold 0.91"),
            ("other", 0.905, ""),
            ("other", 0.1, "gsm8k exact_match,strict-match is 0.1000, threshold 0.9"),
            ("other", f64::NAN, "gsm8k exact_match,strict-match is NaN, threshold 0.9"),
        ] {
            assert_eq!(
                failure(meta, &[file("results_x.json", score)], model, None),
                said,
                "{model} {score}"
            );
        }
        let other = EvalFile {
            content: Json::parse(r#"{"results": {"mmlu": {"acc,none": 0.9}}}"#).unwrap(),
            ..file("results_x.json", 0.0)
        };
        assert!(failure(meta, &[other], "dsr1", None).starts_with("no result file has a score of exact match"));
    }

    #[test]
    fn task_without_threshold_has_the_fallback() {
        let content = r#"{"results": {"sums": {"exact_match,none": 0.84}}}"#;
        let own = EvalFile {
            content: Json::parse(content).unwrap(),
            ..file("results.json", 0.0)
        };
        assert_eq!(
            failure(None, &[own], "dsr1", None),
            "sums exact_match,none is 0.8400, threshold 0.85"
        );
    }

    #[test]
    fn batch_must_have_every_concurrency() {
        let two = [file("results_a_conc4.json", 0.95), file("results_b_conc16_2.json", 0.95)];
        let whole = r#"{"conc": 4, "eval_concs": [4, 16], "completed_eval_concs": [4, 16], "failed_eval_concs": []}"#;
        let half = r#"{"conc": 4, "eval_concs": [4, 16], "completed_eval_concs": [4], "failed_eval_concs": [16]}"#;
        for (meta, files, expected, said) in [
            (Some(whole), &two[..], None, ""),
            (Some(whole), &two[..], Some(&[16, 4][..]), ""),
            (
                Some(whole),
                &two[..],
                Some(&[4, 8]),
                "at concurrency 4, 16, expected 4, 8 from the row",
            ),
            (Some(half), &two[..], None, "the evaluation failed at concurrency 16"),
            (Some(half), &two[..1], None, "no result file at concurrency 16"),
            (
                Some(whole),
                &[file("results.json", 0.95)],
                None,
                "results.json has no concurrency in its name",
            ),
            (None, &two[..], None, "meta_env.json is missing or invalid"),
            (Some(r#"{"conc": 4}"#), &two[..], Some(&[4, 16]), "meta_env.json lists none"),
            (Some(r#"{"conc": 8}"#), &two[..1], Some(&[4]), "another concurrency than 4"),
            (Some(r#"{"eval_concs": 4}"#), &two[..], None, "are not lists of whole numbers"),
            (Some(r#"{"eval_concs": [4, 0]}"#), &two[..], None, "are not lists of whole numbers"),
        ] {
            let found = failure(meta, files, "dsr1", expected);
            assert_eq!(found.is_empty(), said.is_empty(), "{meta:?}: {found}");
            assert!(found.contains(said), "{meta:?}: {found}");
        }
    }
}
