//! The files to damage: goldens, configs and recipes of this repository, and short texts for what has no file here.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::json;

/// Larger files take long to damage and find nothing that smaller ones do not.
const LARGEST: u64 = 192 << 10;
/// Files of a kind. More would spread the executions thin.
const MOST: usize = 60;

pub fn of_parser(name: &str) -> Vec<Vec<u8>> {
    match name {
        "yaml" => [
            files("configs", &["yaml"]),
            files("examples", &["yaml"]),
            files(".github", &["yml"]),
            texts(&[YAML]),
        ]
        .concat(),
        "settings" => [files("imax.yaml", &["yaml"]), texts(&[SETTINGS])].concat(),
        "config" => [files("tests/golden/matrix", &["master.yaml"]), files("configs", &["master.yaml"])].concat(),
        "runners" => files("configs/runners.yaml", &["yaml"]),
        "changelog" | "changelog-fold" => files("examples", &["changelog.yaml"]),
        "profile" => [files("runners", &["yaml"]), files("examples/slurm/runners", &["yaml"])].concat(),
        "row" | "job-spec" => texts(&[ROW]),
        "job-record" => texts(&[JOB_RECORD]),
        "event" => [files("tests/github", &["documents.json"]), texts(&EVENTS)].concat(),
        "command" => texts(&[
            "/sweep full\nplease",
            "/sweep trimmed evals-only dsr1-fp8-* \u{1f98a}",
            "/sweep retry",
        ]),
        "task" => [files("benchmarks/evals", &["yaml"]), texts(&[TASK])].concat(),
        "thresholds" => files("configs/eval-thresholds.yaml", &["yaml"]),
        "documents-json" => texts(&[
            "[{\"question\": \"1+1?\", \"answer\": \"#### 2\"}]",
            "{\"a\": 1}\n{\"a\": {\"b\": [1, null]}}\n",
        ]),
        "documents-csv" => texts(&["question,answer\n\"a \"\"b\"\"\",1\nc,2\n"]),
        "documents-parquet" | "history" => parquet(name),
        "answer" => texts(&[
            "{\"choices\": [{\"message\": {\"content\": \"4\", \"reasoning_content\": \"2+2\"}, \"finish_reason\": \"stop\"}], \"usage\": {\"completion_tokens\": 3}}",
            "{\"choices\": [{\"text\": \" four\", \"finish_reason\": \"length\"}]}",
        ]),
        "trace" => texts(&[
            "{\"timestamp\": 0, \"input_length\": 6758, \"output_length\": 500, \"hash_ids\": [0, 1, 2]}\n{\"timestamp\": 27000, \"input_length\": 7, \"output_length\": 1, \"hash_ids\": []}\n",
            "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n",
            "{\"prompt\": \"hello\", \"output_tokens\": 5}\n",
        ]),
        "sessions" => texts(&[SESSION]),
        "sharegpt" => texts(&[
            "[{\"id\": \"a\", \"conversations\": [{\"from\": \"human\", \"value\": \"hi\"}, {\"from\": \"gpt\", \"value\": \"hello\"}]}]",
        ]),
        "questions" => texts(&["{\"question_id\": 1, \"category\": \"writing\", \"turns\": [\"a\", \"b\"]}\n"]),
        "tokenizer" => [
            files("benchmarks/demo/tokenizer.json", &["json"]),
            texts(&[TOKENIZER, WORD_PIECES, UNIGRAM]),
        ]
        .concat(),
        "gguf" => vec![gguf()],
        "chat-template" => vec![chat_template(), CHAT_TEMPLATE.as_bytes().to_vec()],
        "http" => texts(&HTTP),
        "events" => texts(&STREAMS),
        "content-coding" => compressed(),
        "metrics" => texts(&[METRICS]),
        "telemetry" => [texts(&TELEMETRY), vec![gpu_metrics()]].concat(),
        "slurm" => texts(&SLURM),
        "registry-login" => texts(&[
            "{\"auths\": {\"https://index.docker.io/v1/\": {\"auth\": \"dXNlcjpwYXNz\"}}, \"credsStore\": \"pass\", \"credHelpers\": {\"a.b\": \"gcr\"}}",
            "{\"Username\": \"u\", \"Secret\": \"s\"}",
        ]),
        "raw-result" => files("tests/golden/producers", &["json", "csv", "yaml", "jsonl"]),
        "import" => [
            files("tests/golden/import", &["csv", "json"]),
            files("tests/golden/producers", &["json"]),
        ]
        .concat(),
        "zip" => vec![archive()],
        other => panic!("no seeds for the parser {other}"),
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The files at or below a path of this repository whose names end so.
fn files(path: &str, endings: &[&str]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path), endings, &mut found);
    found.sort();
    assert!(!found.is_empty(), "no files in {path}");
    found.iter().take(MOST).map(|file| fs::read(file).unwrap()).collect()
}

fn collect(path: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    let about = fs::symlink_metadata(path).unwrap();
    if about.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), endings, found);
        }
    } else if about.len() <= LARGEST && endings.iter().any(|ending| path.to_str().unwrap().ends_with(ending)) {
        found.push(path.to_owned());
    }
}

const YAML: &str =
    "a: &x {b: [1, 2_063_920, 0o17, 1:30:00, .inf, ~, yes, 2026-01-01]}\nc: *x\nd: {<<: *x, e: |\n  text\n}\n? complex\n: value\n--- \n";
const SETTINGS: &str = "policy:\n  label: sweep\nregressions:\n  smallest-changes:\n  - { points: \"dsr1-*\", percent: 3 }\n  accepted:\n  - { points: \"*\", until: 2026-12-01, reason: known }\nhistory: branch\n";
const ROW: &str = r#"{"image": "sim:1", "model": "m", "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "h100", "isl": 32, "osl": 24, "tp": 1, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": [2, 4], "max-model-len": 128, "exp-name": "demo_32_24", "disagg": false, "run-eval": false}"#;
const JOB_RECORD: &str = r#"{"schema": "imax-job/1", "job_id": "imax-1", "outcome": {"status": "ok"}, "exit_code": 0, "phases": [], "points": [], "attempts": []}"#;
const TASK: &str = "task: demo\ndataset_path: json\ndataset_kwargs: {data_files: {test: a.jsonl}}\noutput_type: generate_until\ndoc_to_text: 'Q: {{question}}\\nA:'\ndoc_to_target: '{{answer.split(\"####\")[-1]}}'\ngeneration_kwargs: {until: [\"\\n\"], max_gen_toks: 5}\nfilter_list:\n- name: strict\n  filter:\n  - {function: regex, regex_pattern: '(-?\\d+)'}\n  - {function: take_first}\nmetric_list:\n- {metric: exact_match, aggregation: mean, higher_is_better: true, regexes_to_ignore: [',']}\n";
const EVENTS: [&str; 3] = [
    r#"{"action": "labeled", "label": {"name": "sweep"}, "number": 7, "pull_request": {"number": 7, "state": "open", "draft": false, "title": "t", "body": null, "user": {"login": "a"}, "labels": [{"name": "sweep"}], "head": {"sha": "0123456789abcdef0123456789abcdef01234567", "ref": "f", "repo": {"full_name": "o/r", "fork": true}}, "base": {"sha": "0123456789abcdef0123456789abcdef01234567", "ref": "main", "repo": {"full_name": "o/r", "fork": false}}}}"#,
    r#"{"action": "created", "comment": {"body": "/sweep full", "user": {"login": "a"}, "author_association": "NONE"}, "issue": {"number": 7, "pull_request": {}}}"#,
    r#"{"ref": "refs/heads/main", "before": "0000000000000000000000000000000000000000", "after": "0123456789abcdef0123456789abcdef01234567", "repository": {"default_branch": "main"}, "head_commit": {"message": "m"}}"#,
];
const SESSION: &str = "{\"session_id\": \"s\", \"turns\": [{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"output_tokens\": 5, \"delay_ms\": 10}]}\n{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}]}, {\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"id\": \"1\", \"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}]}]}\n";
const TOKENIZER: &str = r#"{"version": "1.0", "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}, "padding": null, "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": true, "normalized": false, "special": true}], "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " +"}, "content": " "}]}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\s+(?!\\S)|\\p{L}+"}, "behavior": "Isolated", "invert": false}, "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}}, "decoder": {"type": "ByteFallback"}, "model": {"type": "BPE", "dropout": null, "unk_token": "<s>", "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": true, "vocab": {"<s>": 0, "a": 1, "b": 2, "ab": 3, "<0x0A>": 4, "c": 5}, "merges": ["a b", ["ab", "c"]]}}"#;
const WORD_PIECES: &str = r###"{"version": "1.0", "added_tokens": [], "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true}, "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": {"type": "BertProcessing", "sep": ["b", 2], "cls": ["a", 1]}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true}, "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1, "b": 2, "##c": 3, "the": 4}}}"###;
const UNIGRAM: &str = r#"{"version": "1.0", "added_tokens": [], "normalizer": {"type": "Precompiled", "precompiled_charsmap": "ALQCAACEAAAAAACAAQAAgMz8AgC4BQAAhyIAgMzkAgC4PQAAeyIAgMzsAgC4BQAAiyIAgMw8AADNvAAAmwkAgJ4JAIChCQCAgx0A"}, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}, "decoder": {"type": "Sequence", "decoders": [{"type": "Strip", "content": " ", "start": 1, "stop": 0}, {"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}]}, "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["▁the", -3.0], ["q", -5.5], ["▁", -2.0]], "byte_fallback": false}}"#;
const CHAT_TEMPLATE: &str = "{% set ns = namespace(a=0) %}{% for message in messages %}{{ '<|' + message['role'] + '|>' }}{{ message.content | trim }}{% if loop.last and add_generation_prompt %}<|assistant|>{% endif %}{% set ns.a = ns.a + 1 %}{% endfor %}{{ strftime_now('%d %b %Y') }}{{ messages | tojson(indent=2) }}{% macro f(x) %}{{ x.split(' ')[0].upper() }}{% endmacro %}{{ f('a b') }}";
const HTTP: [&str; 5] = [
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n22\r\ndata: {\"choices\":[{\"text\":\"a\"}]}\n\n\r\n10;x=y\r\ndata: [DONE]\n\n \n\r\n0\r\nA: b\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 86\r\nContent-Type: application/json\r\nConnection: keep-alive\r\n\r\n{\"choices\":[{\"text\":\"four\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":4}}     ",
    "HTTP/1.1 307 Temporary Redirect\r\nLocation: /v2\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 500 Internal Server Error\r\nContent-Encoding: gzip\r\n\r\n{\"error\": {\"message\": \"m\"}}",
    "HTTP/1.0 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html>",
];
const STREAMS: [&str; 5] = [
    "data: {\"id\":\"1\",\"object\":\"text_completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"text\":\" a\",\"logprobs\":null,\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":7,\"total_tokens\":8,\"completion_tokens\":1}}\n\ndata: {\"id\":\"1\",\"object\":\"text_completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"text\":\"\\u00e9\\ud83e\\udd8a\",\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n",
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"x\"},\"index\":0}]}\r\n\r\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\"}}]},\"finish_reason\":\"tool_calls\"}],\"usage\":null}\r\n\r\ndata:[DONE]\r\n\r\n",
    "\u{feff}: comment\nid: 1\nretry: 5\nevent: error\ndata: {\"error\":{\"message\":\"m\"}}\n\n",
    "data: {\"text\":\"abc\",\"meta_info\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"finish_reason\":{\"type\":\"length\"}}}\n\n",
    "data: {\"model_name\":\"ensemble\",\"model_version\":\"1\",\"text_output\":\"a\"}\n\n",
];
const METRICS: &str = "# HELP vllm:num_requests_running x\n# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{model_name=\"a,b\",engine=\"0\"} 3.0\nvllm:kv_cache_usage_perc{engine=\"0\"} 0.5\nvllm:prefix_cache_hits_total 1e3 1795316401250\nsglang:token_usage NaN\nvLLM API server version 0.11.0\n";
const TELEMETRY: [&str; 5] = [
    "[{\"gpu\": 3, \"usage\": {\"gfx_activity\": {\"value\": 97, \"unit\": \"%\"}}, \"power\": {\"socket_power\": {\"value\": 742, \"unit\": \"W\"}}, \"clock\": {\"gfx_0\": {\"clk\": {\"value\": 2100, \"unit\": \"MHz\"}}}, \"temperature\": {\"edge\": \"N/A\", \"hotspot\": {\"value\": 61, \"unit\": \"C\"}}, \"energy\": {\"total_energy_consumption\": {\"value\": 4321.5, \"unit\": \"J\"}}, \"mem_usage\": {\"used_vram\": {\"value\": 283, \"unit\": \"MB\"}}}]",
    "DCGM_FI_DEV_POWER_USAGE{gpu=\"1\",UUID=\"GPU-b\",pod=\"a \\\"b\\\", c\"} 700 1795316401250\nDCGM_FI_DEV_CLOCK_THROTTLE_REASONS{gpu=\"1\",Hostname=\"n1\"} 64\n",
    "2026/11/22 03:00:01.250, 3, NVIDIA H100 80GB HBM3, 612.43, 98, [N/A], 1755, 61, 0x0000000000000004\n",
    "timestamp,index,power.draw [W],temperature.gpu,clocks.current.sm [MHz],utilization.gpu [%]\n2026/11/22 03:00:01.250, 0, 612.43 W, 61, 1755 MHz, 98 %\n",
    "cpu  10132153 290696 3084719 46828483 16683 0 25195 0 175628 0\nMemTotal:       32781196 kB\nMemAvailable:   30000000 kB\n",
];
const SLURM: [&str; 6] = [
    "JobId=1 JobName=imax-1 UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901759 Nice=0 JobState=FAILED Reason=NonZeroExitCode Dependency=(null) ExitCode=7:0 NodeList=h100-[0-3,7] BatchHost=h100-0 NumNodes=1 Comment=imax-1 ",
    "12|RUNNING|0|imax-a1\n13|PENDING|0|imax-a1b\n14|RUNNING|1000|imax-a1\n",
    "1|RUNNING|None|h100-0|0:0\n",
    "12.0|imax-watcher\n12.1|bash\n12.batch|batch\n",
    "Submitted batch job 77\n",
    "{\"jobs\": [{\"job_id\": 7, \"job_state\": [\"FAILED\"], \"state_reason\": \"NonZeroExitCode\", \"nodes\": \"h100-0\", \"batch_host\": \"h100-0\", \"exit_code\": {\"status\": [\"ERROR\"], \"return_code\": {\"set\": true, \"infinite\": false, \"number\": 7}, \"signal\": {\"id\": {\"set\": false, \"infinite\": false, \"number\": 0}, \"name\": \"\"}}}]}",
];

fn chat_template() -> Vec<u8> {
    let config = json!({
        "chat_template": [{ "name": "default", "template": CHAT_TEMPLATE }, { "name": "tool_use", "template": "{{ tools }}" }],
        "bos_token": { "content": "<s>" },
        "eos_token": "</s>",
    });
    config.to_string().into_bytes()
}

fn compressed() -> Vec<Vec<u8>> {
    let text = STREAMS.concat();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(text.as_bytes()).unwrap();
    // Brotli's form of ten letters, without compression.
    vec![
        gzip.finish().unwrap(),
        zlib.finish().unwrap(),
        b"\x0b\x04\x80aaaaaaaaaa\x03".to_vec(),
    ]
}

/// Tables of `amdgpu`'s sysfs: size, format and content revision, then numbers.
fn gpu_metrics() -> Vec<u8> {
    let mut table = vec![0_u8; 400];
    table[..4].copy_from_slice(&[144, 1, 1, 7]);
    for (index, byte) in table.iter_mut().enumerate().skip(4) {
        *byte = u8::try_from(index % 251).unwrap();
    }
    table
}

/// A GGUF file (version 3) with a vocabulary of four tokens and no tensors.
fn gguf() -> Vec<u8> {
    fn text(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.bytes());
    }
    fn texts(bytes: &mut Vec<u8>, key: &str, values: &[&str]) {
        text(bytes, key);
        bytes.extend(9_u32.to_le_bytes());
        bytes.extend(8_u32.to_le_bytes());
        bytes.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| text(bytes, value));
    }
    fn one_text(bytes: &mut Vec<u8>, key: &str, value: &str) {
        text(bytes, key);
        bytes.extend(8_u32.to_le_bytes());
        text(bytes, value);
    }
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(6_u64.to_le_bytes());
    one_text(&mut bytes, "tokenizer.ggml.model", "gpt2");
    one_text(&mut bytes, "tokenizer.ggml.pre", "llama-bpe");
    texts(&mut bytes, "tokenizer.ggml.tokens", &["<s>", "a", "b", "ab"]);
    texts(&mut bytes, "tokenizer.ggml.merges", &["a b"]);
    one_text(&mut bytes, "tokenizer.chat_template", CHAT_TEMPLATE);
    text(&mut bytes, "tokenizer.ggml.token_type");
    for number in [9_u32, 5, 4, 0, 3, 1, 1, 1] {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

/// A history as Parquet, and as documents.
fn parquet(name: &str) -> Vec<Vec<u8>> {
    let mut documents = files("tests/golden/report/history/history", &["json"]);
    let packed = imax::testing::parsers::packed_history(&documents[..3.min(documents.len())]);
    if name == "history" {
        documents.push(packed);
        return documents;
    }
    vec![packed]
}

fn archive() -> Vec<u8> {
    let options = zip::write::SimpleFileOptions::default();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in [("a/agg_x.json", "{\"a\": 1}"), ("job.json", "{}"), ("empty/", "")] {
        writer.start_file(name, options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
