//! Every parser of bytes from outside, by name, for the fuzzing of `tests/fuzzing`. A parser may refuse anything; it must not panic, hang
//! or need much memory.

use std::sync::Arc;

use crate::analysis::{HistoryRun, NamedRun, read_history, read_run, runs_of_parquet, runs_to_parquet};
use crate::changelog::{self, Fragment, State};
use crate::config::Catalog;
use crate::eval::dataset::{self, Format};
use crate::eval::request::{Api, parse_answer};
use crate::eval::task;
use crate::eval::threshold::Thresholds;
use crate::fleet::launcher::{launch_rules, read_registry_login, read_slurm_answers};
use crate::fleet::telemetry::read_samples;
use crate::job::{JobRecord, JobSpec, RunnerProfile, read_metrics_csv, version_in_log};
use crate::load::content_coding::ContentCoding;
use crate::load::dataset::{burstgpt, jsonl, questions, recorded, sharegpt, trace};
use crate::load::exchange::Asked;
use crate::load::prompt::Message;
use crate::load::{ChatTemplate, Exchange, Stamp, Step, Tokenizer, engine_metrics, gguf};
use crate::matrix::Row;
use crate::matrix::policy::{Command, Event, PullRequest};
use crate::model::{Concurrency, Diagnostics, MetricSample, SourceFile};
use crate::result::{ImportHints, Mapping, import, read_result};
use crate::settings::Settings;
use crate::system::archive::{self, ArchiveLimits};
use bytes::Bytes;
use chrono::DateTime;

/// A parser with its name. What it returns is dropped.
pub type Parser = (&'static str, fn(&[u8]));

/// The parsers, in the order of the data flow.
pub const PARSERS: [Parser; 36] = [
    ("yaml", yaml),
    ("settings", settings),
    ("config", config),
    ("runners", runners),
    ("changelog", changelog),
    ("changelog-fold", changelog_fold),
    ("profile", profile),
    ("row", json::<Row>),
    ("job-spec", json::<JobSpec>),
    ("job-record", json::<JobRecord>),
    ("event", event),
    ("command", command),
    ("task", task_file),
    ("thresholds", thresholds),
    ("documents-json", documents_json),
    ("documents-csv", documents_csv),
    ("documents-parquet", documents_parquet),
    ("answer", answer),
    ("trace", trace_file),
    ("sessions", sessions),
    ("sharegpt", conversations),
    ("questions", question_lines),
    ("tokenizer", tokenizer),
    ("gguf", gguf_file),
    ("chat-template", chat_template),
    ("http", http),
    ("events", events),
    ("content-coding", content_coding),
    ("metrics", metrics),
    ("telemetry", telemetry),
    ("slurm", slurm),
    ("registry-login", registry_login),
    ("raw-result", raw_result),
    ("import", import_file),
    ("history", history),
    ("zip", zip),
];

fn source(bytes: &[u8]) -> Option<Arc<SourceFile>> {
    SourceFile::from_bytes("fuzzed.yaml", bytes.to_vec()).ok()
}

/// Findings must be printable as well.
fn shown(found: &Diagnostics) {
    drop(found.to_string());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) {
    drop(serde_json::from_slice::<T>(bytes));
}

fn yaml(bytes: &[u8]) {
    let Some(file) = source(bytes) else { return };
    let mut found = Diagnostics::new();
    drop(crate::yaml::parse(&file, &mut found));
    shown(&found);
}

fn settings(bytes: &[u8]) {
    let Some(file) = source(bytes) else { return };
    let (Ok((_, found)) | Err(found)) = Settings::parse(&file);
    shown(&found);
}

const RUNNERS: &str = "h100: [h100-a_0]\nh200: [h200-a_0]\n";
const CONFIG: &str = "k-fp8-h100-sim: {image: 'i:1', model: m, model-prefix: k, precision: fp8, framework: sim, runner: h100, \
                      multinode: false, seq-len-configs: [{isl: 8, osl: 8, search-space: [{tp: 1, conc-start: 1, conc-end: 2}]}]}\n";

fn catalog(config: Arc<SourceFile>, runners: &Arc<SourceFile>) {
    let (Ok((_, found)) | Err(found)) = Catalog::parse(&[config], runners);
    shown(&found);
}

fn config(bytes: &[u8]) {
    if let Some(file) = source(bytes) {
        catalog(file, &SourceFile::new("runners.yaml", RUNNERS));
    }
}

fn runners(bytes: &[u8]) {
    if let Some(file) = source(bytes) {
        catalog(SourceFile::new("a-master.yaml", CONFIG), &file);
    }
}

fn changelog(bytes: &[u8]) {
    let Some(file) = source(bytes) else { return };
    shown(&changelog::check(&file));
    let fragment = Fragment {
        path: "perf-changelog.d/1.yaml".to_owned(),
        source: Arc::clone(&file),
    };
    let head = State {
        log: file,
        fragments: vec![fragment],
    };
    drop(head.additions_since(&State::none()));
}

/// The edits before a merge keep every other byte of the log, so they read it line by line.
fn changelog_fold(bytes: &[u8]) {
    let half = bytes.len() / 2;
    drop(changelog::merge(&bytes[..half], bytes, &bytes[half..], "octo-org/benchmarks"));
}

fn profile(bytes: &[u8]) {
    let file = text(bytes);
    let read = |name: &str| (name == "h100-a.yaml").then(|| file.clone());
    if let Err(error) = RunnerProfile::load("h100-a", "runners", &read, &launch_rules()) {
        drop(error.to_string());
    }
}

fn event(bytes: &[u8]) {
    let payload = text(bytes);
    for name in [
        "pull_request",
        "issue_comment",
        "push",
        "workflow_dispatch",
        "repository_dispatch",
        "merge_group",
        "schedule",
    ] {
        drop(Event::parse(name, &payload));
    }
    drop(PullRequest::parse(&payload));
}

fn command(bytes: &[u8]) {
    drop(Command::parse("/sweep", &text(bytes)));
}

fn task_file(bytes: &[u8]) {
    if let Some(file) = source(bytes)
        && let Err(found) = task::read(&file)
    {
        shown(&found);
    }
}

fn thresholds(bytes: &[u8]) {
    if let Some(file) = source(bytes) {
        drop(Thresholds::read(&file));
    }
}

fn documents_json(bytes: &[u8]) {
    drop(dataset::read("a.json", Format::Json, bytes));
}

fn documents_csv(bytes: &[u8]) {
    drop(dataset::read("a.csv", Format::Csv, bytes));
}

fn documents_parquet(bytes: &[u8]) {
    drop(dataset::read("a.parquet", Format::Parquet, bytes));
}

fn answer(bytes: &[u8]) {
    for api in [Api::Chat, Api::Completions] {
        drop(parse_answer(api, bytes));
    }
}

fn trace_file(bytes: &[u8]) {
    let file = text(bytes);
    drop(trace::requests(&file));
    drop(burstgpt::requests(bytes, 0));
    drop(jsonl::prompts(&file));
}

fn sessions(bytes: &[u8]) {
    let file = text(bytes);
    drop(recorded::sessions(&file));
    drop(recorded::single(&file));
}

fn conversations(bytes: &[u8]) {
    drop(sharegpt::conversations(bytes, 0));
}

fn question_lines(bytes: &[u8]) {
    drop(questions::of_lines(&text(bytes), None));
}

/// What is read must also be usable.
fn tokenizer(bytes: &[u8]) {
    if let Ok(tokenizer) = Tokenizer::from_json(bytes) {
        use_tokenizer(&tokenizer);
    }
}

fn use_tokenizer(tokenizer: &Tokenizer) {
    drop(tokenizer.encode("The quick brown fox\u{1f98a}\n<|user|> 12345"));
    drop(tokenizer.decode(&[0, 1, 5, 300, u32::MAX]));
}

fn gguf_file(bytes: &[u8]) {
    if let Ok(tokenizer) = gguf::tokenizer(bytes) {
        use_tokenizer(&tokenizer);
    }
    drop(gguf::chat_template_config(bytes));
}

fn chat_template(bytes: &[u8]) {
    if let Ok(Some(template)) = ChatTemplate::from_config(bytes, None, DateTime::UNIX_EPOCH) {
        drop(template.render(&[Message::of_user("hello")]));
    }
    drop(ChatTemplate::from_config(b"{}", Some(&text(bytes)), DateTime::UNIX_EPOCH));
}

/// Receives a response, whole and byte by byte; the records must be equal.
fn exchange(response: &[u8]) {
    let asked = Asked {
        index: 0,
        server: 0,
        prompt_tokens: 7,
        output_tokens: 4,
        keep_texts: true,
        keep_answer: true,
    };
    let now = Stamp::from_unix_nanos(1);
    for step in [response.len().max(1), 7] {
        let mut exchange = Exchange::new(asked, now, now, None);
        let is_complete = response
            .chunks(step)
            .any(|part| matches!(exchange.receive(part, now), Step::Complete { .. }));
        drop(if is_complete { exchange.complete() } else { exchange.closed(now) });
    }
}

fn http(bytes: &[u8]) {
    exchange(bytes);
}

fn events(bytes: &[u8]) {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    exchange(&[head, bytes].concat());
}

fn content_coding(bytes: &[u8]) {
    for coding in [ContentCoding::Gzip, ContentCoding::Deflate, ContentCoding::Brotli] {
        if let Some(mut decoder) = coding.decoder() {
            drop(decoder.decode(bytes));
        }
    }
}

fn metrics(bytes: &[u8]) {
    let exposed = text(bytes);
    let _ = engine_metrics::read(&exposed, 1.0);
    exposed.lines().for_each(|line| drop(MetricSample::parse(line)));
    drop(version_in_log(&exposed));
}

fn telemetry(bytes: &[u8]) {
    read_samples(bytes);
    drop(read_metrics_csv(&text(bytes), &|time| Some(time.and_utc().timestamp() as f64)));
}

fn slurm(bytes: &[u8]) {
    read_slurm_answers(&text(bytes));
}

fn registry_login(bytes: &[u8]) {
    read_registry_login(bytes);
}

fn raw_result(bytes: &[u8]) {
    if let Ok(conc) = serde_json::from_str::<Concurrency>("1") {
        drop(read_result(&text(bytes), conc));
    }
}

fn import_file(bytes: &[u8]) {
    drop(import(bytes, &ImportHints::default()));
    drop(Mapping::parse(&text(bytes)));
}

fn history(bytes: &[u8]) {
    let document = text(bytes);
    drop(read_history(&document));
    drop(read_run(&document));
    drop(runs_of_parquet(Bytes::copy_from_slice(bytes)));
}

/// Small limits, because disks are slow.
fn zip(bytes: &[u8]) {
    let limits = ArchiveLimits {
        entries: 100,
        bytes: 1 << 20,
        ratio: 400,
    };
    let Ok(folder) = tempfile::tempdir() else { return };
    let file = folder.path().join("a.zip");
    if std::fs::write(&file, bytes).is_ok() {
        drop(archive::unpack(&file, &folder.path().join("out"), &limits));
    }
}

/// The documents of a history as the Parquet file of a store, to be damaged. Documents that cannot be read are left out.
#[must_use]
pub fn packed_history(documents: &[Vec<u8>]) -> Vec<u8> {
    let run = |(index, bytes): (usize, &Vec<u8>)| {
        let run = HistoryRun::parse(&text(bytes)).ok()?;
        let name = format!("{index}.json");
        Some(NamedRun { name, run })
    };
    let runs: Vec<NamedRun> = documents.iter().enumerate().filter_map(run).collect();
    runs_to_parquet(&runs).unwrap_or_default()
}
