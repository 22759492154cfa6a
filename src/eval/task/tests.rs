//! Valid task files, and the errors of invalid ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use super::*;
use crate::model::SourceFile;

const WHOLE: &str = r##"
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: sums.jsonl, train: [a.jsonl, b.jsonl]}}
output_type: generate_until
test_split: test
fewshot_split: train
doc_to_text: "Q: {{question}}\nA:"
doc_to_target: answer
description: "Answer.\n"
num_fewshot: 2
fewshot_config: {sampler: first_n, target_delimiter: ""}
generation_kwargs: {until: ["Q:"], max_gen_toks: 64, temperature: 0.0, top_p: 1, do_sample: false}
filter_list:
  - name: strict-match
    filter: [{function: regex, regex_pattern: '#### (\d+)'}, {function: take_first}]
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true, regexes_to_ignore: [","]}
repeats: 3
metadata: {version: 1.0}
"##;

fn of(text: &str) -> Result<Task, String> {
    read(&SourceFile::new("t.yaml", text)).map_err(|found| found.to_string())
}

#[test]
fn whole_file_is_parsed() {
    let task = of(WHOLE).unwrap();
    assert_eq!(task.name, "sums");
    let files = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let expected = vec![
        ("test".to_owned(), files(&["sums.jsonl"])),
        ("train".to_owned(), files(&["a.jsonl", "b.jsonl"])),
    ];
    assert_eq!(task.source, DataSource::Files(expected));
    assert_eq!(task.fewshot.sampler, Sampler::FirstN);
    assert_eq!(
        (task.fewshot.form.target_delimiter.as_str(), task.form.target_delimiter.as_str()),
        ("", " ")
    );
    assert_eq!((task.generation.max_gen_toks, task.generation.top_p), (Some(64), Some(1.0)));
    assert_eq!(task.repeats.get(), 3);
    assert_eq!(task.version, serde_json::json!(1.0));
    assert_eq!(task.config["filter_list"][0]["name"], "strict-match");
}

#[test]
fn defaults_are_those_of_lm_eval() {
    let task =
        of("task: t\ndataset_path: openai/gsm8k\ndataset_name: main\nvalidation_split: test\ndoc_to_text: q\ndoc_to_target: a\n").unwrap();
    let hub = DataSource::Hub {
        id: "openai/gsm8k".to_owned(),
        config: Some("main".to_owned()),
        revision: None,
    };
    assert_eq!(task.source, hub);
    assert_eq!(task.generation.until, ["\n\n"]);
    assert_eq!(task.filters[0].name, "none");
    assert_eq!(task.metrics[0].metric.name(), "exact_match");
    assert_eq!(task.num_fewshot, None);
}

#[test]
fn unsupported_keys_are_errors_with_place() {
    for (change, said) in [
        ("include: other.yaml", "key `include` is not supported"),
        ("process_results: f", "key `process_results` is not supported"),
        ("gen_prefix: x", "key `gen_prefix` is not supported"),
        ("process_docs: !function utils.f", "!function"),
        ("doc_to_texte: x", "unknown field `doc_to_texte`"),
        ("unsafe_code: true", "`unsafe_code: true` is not supported"),
    ] {
        let error = of(&format!("{WHOLE}{change}\n")).unwrap_err();
        assert!(error.contains(said) && error.contains("t.yaml:21:"), "{change}: {error}");
    }
    for (from, to, said) in [
        (
            "generate_until",
            "multiple_choice",
            "`output_type: multiple_choice` is not supported",
        ),
        ("top_p: 1", "top_k: 1", "`top_k` in generation_kwargs is not supported"),
        ("metric: exact_match", "metric: bleu", "metric `bleu` is not supported"),
        ("aggregation: mean", "aggregation: median", "aggregation `median` is not supported"),
        ("{function: take_first}", "{function: custom}", "filter `custom` is not supported"),
        (", {function: take_first}", "", "leave a list of answers"),
        ("'#### (\\d+)'", "'(x'", "`(x` cannot be used"),
        ("{{question}}", "{{question", "`doc_to_text`"),
        ("test_split: test\n", "", "neither `test_split` nor"),
        (
            "{data_files:",
            "{data_dir: x, data_files:",
            "`data_dir` in dataset_kwargs is not supported",
        ),
        ("repeats: 3", "repeats: 0", "`repeats` is 0"),
        ("task: sums", "", "has no `task`"),
    ] {
        let error = of(&WHOLE.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(said) && error.contains("t.yaml:"), "{to}: {error}");
    }
}

#[test]
fn all_errors_are_found_in_one_run() {
    let text = WHOLE
        .replace("exact_match", "bleu")
        .replace("repeats: 3", "repeats: no")
        .replace("max_gen_toks", "max_tokens");
    let found = read(&SourceFile::new("t.yaml", text)).unwrap_err();
    assert_eq!(found.errors(), 3, "{found}");
}
