//! Prompts from files, conversations, and the prefixes that they share.

use std::path::Path;

use serde_json::{Value, json};

use super::client::{bench, detailed, doubts, imax, measure, stderr};
use crate::harness::{Finish as _, HttpResponse, HttpServer, Simulator};

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn sharegpt_and_own_lines_keep_their_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "2", "--itl-ms", "1", "--tokenizer", "benchmarks/demo"]);
    let conversation = |n: usize| {
        json!({ "id": n, "conversations": [
            { "from": "human", "value": format!("please tell me more about number {n} of the list, and why it matters") },
            { "from": "gpt", "value": "number is a word for how many things there are" },
        ] })
    };
    let entries: Vec<Value> = (0..20).map(conversation).collect();
    let path = write(folder.path(), "sharegpt.json", &json!(entries).to_string());
    let arguments = [
        "--dataset-name",
        "sharegpt",
        "--dataset-path",
        &path,
        "--num-prompts",
        "12",
        "--max-concurrency",
        "3",
        "--ignore-eos",
    ];
    let (result, output) = measure(engine.port(), &arguments, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!((&result["completed"], doubts(&result)), (&json!(12), vec![]));
    assert_eq!(result["imax"]["wrong_input_lengths"], json!(0));

    let lines = "{\"prompt\":\"how many words are there\",\"output_tokens\":5}\n{\"prompt\":\"and how many tokens\"}\n";
    let path = write(folder.path(), "own.jsonl", lines);
    let arguments = [
        "--dataset-name",
        "custom",
        "--dataset-path",
        &path,
        "--custom-output-len",
        "9",
        "--ignore-eos",
    ];
    let (result, output) = measure(engine.port(), &arguments, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!((&result["num_prompts"], &result["total_output_tokens"]), (&json!(2), &json!(14)));
}

#[test]
fn fewer_prompts_than_asked_for_are_an_error_or_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "1", "--itl-ms", "1", "--tokenizer", "benchmarks/demo"]);
    let own = "{\"prompt\":\"how many words are there\",\"output_tokens\":5}\n".repeat(3);
    let said = json!({ "conversations": [
        { "from": "human", "value": "please tell me more about the list, and why it matters" },
        { "from": "gpt", "value": "number is a word for how many things there are" },
    ] });
    // Too short for benchmark_serving.py, so it does not count.
    let short = json!({ "conversations": [{ "from": "human", "value": "a" }, { "from": "gpt", "value": "b" }] });
    for (name, path, asked) in [
        ("custom", write(folder.path(), "own.jsonl", &own), ["--num-prompts", "7"]),
        (
            "sharegpt",
            write(folder.path(), "said.json", &json!([said, said, short, said]).to_string()),
            ["--num-prompts", "7"],
        ),
        (
            "sharegpt",
            write(folder.path(), "three.json", &json!([said, said, said]).to_string()),
            ["--sessions", "7"],
        ),
    ] {
        let mut arguments = vec!["--dataset-name", name, "--dataset-path", &path, "--ignore-eos"];
        arguments.extend(asked);
        let output = bench(engine.port(), &arguments).finish();
        assert_eq!(output.status.code(), Some(3), "{asked:?}: {}", stderr(&output));
        let words = stderr(&output);
        assert!(words.contains("3 usable") && words.contains("expected 7"), "{words}");
        assert!(words.contains(&format!("set {} 3, or --oversample", asked[0])), "{words}");
        arguments.push("--oversample");
        let (result, output) = measure(engine.port(), &arguments, folder.path());
        assert_eq!(result["completed"], json!(7), "{}", stderr(&output));
        assert_eq!(result["imax"]["notices"][0]["code"], json!("prompts_repeated"));
        assert!(stderr(&output).contains("note: the data set has 3 of 7"), "{}", stderr(&output));
    }
}

#[test]
fn own_prompts_need_no_tokenizer_where_the_server_counts() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "2", "--itl-ms", "1", "--tokenizer", "benchmarks/demo"]);
    let path = write(
        folder.path(),
        "own.jsonl",
        &"{\"prompt\":\"how many words are there\",\"output_tokens\":5}\n".repeat(8),
    );
    let arguments = [
        "--dataset-name",
        "custom",
        "--dataset-path",
        &path,
        "--ignore-eos",
        "--num-warmups",
        "2",
    ];
    let load = |model: &[&str]| {
        let output = imax()
            .args([
                "bench",
                "--port",
                engine.port(),
                "--served-model-name",
                "demo",
                "--allow-saturated-client",
            ])
            .args(["--save-result", "--result-filename", "result.json", "--result-dir"])
            .arg(folder.path())
            .args(arguments)
            .args(model)
            .finish();
        let result = std::fs::read(folder.path().join("result.json")).ok();
        (result.map(|text| serde_json::from_slice::<Value>(&text).unwrap()), output)
    };
    let (expected, output) = load(&["--model", "benchmarks/demo"]);
    let expected = expected.unwrap_or_else(|| panic!("{}", stderr(&output)));
    std::fs::remove_file(folder.path().join("result.json")).unwrap();
    let (result, output) = load(&["--model", "model-without-files"]);
    let result = result.unwrap_or_else(|| panic!("{}", stderr(&output)));
    for key in ["completed", "total_input_tokens", "total_output_tokens"] {
        assert_eq!(result[key], expected[key], "{key}");
    }
    assert_eq!(
        (doubts(&result), &result["imax"]["notices"][0]["code"]),
        (vec![], &json!("no_tokenizer"))
    );
    // Where one is named, it must be there.
    let output = load(&["--model", "model-without-files", "--tokenizer", "/nowhere"]).1;
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

#[test]
fn a_trace_keeps_its_arrivals_lengths_and_shared_prefixes() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--prefix-cache", "--tokenizer", "benchmarks/demo"]);
    // The others come when the first has long been read, also where engine and client do not get to run for a while.
    let lines: Vec<String> = (0..20)
        .map(|n| json!({ "timestamp": if n == 0 { 0 } else { 4000 + n * 50 }, "input_length": 300, "output_length": 4, "hash_ids": [1, 2, 100 + n] }).to_string())
        .collect();
    let path = write(folder.path(), "trace.jsonl", &lines.join("\n"));
    let arguments = [
        "--dataset-name",
        "mooncake",
        "--dataset-path",
        &path,
        "--trace-block-size",
        "128",
        "--ignore-eos",
        "--save-detailed",
    ];
    let (result, output) = measure(engine.port(), &arguments, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        (&result["total_input_tokens"], &result["total_output_tokens"]),
        (&json!(6000), &json!(80))
    );
    assert!(result["duration"].as_f64().unwrap() >= 4.95, "{result}");
    let sent: Vec<u64> = detailed(folder.path())
        .iter()
        .map(|line| line["scheduled_unix_ns"].as_u64().unwrap())
        .collect();
    assert_eq!((sent[1] - sent[0], sent[10] - sent[1]), (4_050_000_000, 450_000_000));
    // Two blocks of 128 tokens are shared by all; the first request reads them. The engine counts words of 16, so a part of a
    // block may be missing.
    let cached = engine.counter("imax_sim_cached_prompt_tokens_total");
    assert!(cached >= 15 * 100, "{cached}");
}

#[test]
fn each_turn_of_a_conversation_repeats_what_was_said() {
    for backend in ["vllm", "openai-chat"] {
        let folder = tempfile::tempdir().unwrap();
        let engine = Simulator::start(&["--ttft-ms", "5", "--itl-ms", "1"]);
        let arguments = [
            "--backend",
            backend,
            "--sessions",
            "6",
            "--turns",
            "4",
            "--max-concurrency",
            "3",
            "--random-input-len",
            "30",
            "--random-output-len",
            "10",
            "--think-time",
            "0.02",
            "--ignore-eos",
            "--save-detailed",
        ];
        let (result, output) = measure(engine.port(), &arguments, folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(
            (&result["completed"], &result["imax"]["sessions"]["unsent_turns"]),
            (&json!(24), &json!(0))
        );
        let lines = detailed(folder.path());
        for session in lines.chunks(4) {
            let words: Vec<u64> = session.iter().map(|line| line["reported_input_tokens"].as_u64().unwrap()).collect();
            // Each turn adds the answer's ten words and the next question's.
            assert!(words.windows(2).all(|pair| pair[1] >= pair[0] + 20), "{backend}: {words:?}");
            let ended: Vec<u64> = session.iter().map(|line| line["ended_unix_ns"].as_u64().unwrap()).collect();
            let sent: Vec<u64> = session.iter().map(|line| line["sent_unix_ns"].as_u64().unwrap()).collect();
            assert!(
                (1..4).all(|turn| sent[turn] >= ended[turn - 1]),
                "{backend}: a turn before the answer to the last"
            );
        }
        // Three conversations at once, one connection each.
        assert!(result["imax"]["health"]["open_connections"].as_u64().unwrap() <= 3, "{result}");
    }
}

#[test]
fn recorded_sessions_are_played_again_without_finding_the_play_before_in_the_prefix_cache() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--prefix-cache"]);
    let words = |count: usize, word: &str| vec![word; count].join(" ");
    let session = |name: &str| {
        json!({ "messages": [
            { "role": "system", "content": words(64, "rule") },
            { "role": "user", "content": words(400, name) },
            { "role": "assistant", "content": "yes", "output_tokens": 20 },
            { "role": "tool", "content": words(40, "result") },
            { "role": "assistant", "content": "done", "output_tokens": 10 },
        ] })
    };
    let path = write(
        folder.path(),
        "sessions.jsonl",
        &format!("{}\n{}\n", session("time"), session("price")),
    );
    let arguments = [
        "--backend",
        "openai-chat",
        "--dataset-name",
        "recorded",
        "--dataset-path",
        &path,
        "--max-concurrency",
        "1",
        "--ignore-eos",
        "--save-detailed",
    ];
    // The second time the engine has both sessions in its cache; a seed makes other users of them.
    for seed in ["1", "2"] {
        let (result, output) = measure(engine.port(), &[&arguments[..], &["--seed", seed]].concat(), folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(
            (
                &result["completed"],
                &result["total_output_tokens"],
                &result["imax"]["sessions"]["unsent_turns"]
            ),
            (&json!(4), &json!(60), &json!(0))
        );
        let cached: Vec<u64> = detailed(folder.path())
            .iter()
            .map(|line| line["reported_cached_tokens"].as_u64().unwrap_or(0))
            .collect();
        // First turns have at most the rules in common; second turns find what their first ones left.
        assert!(cached[0].max(cached[2]) <= 80, "{cached:?}");
        assert!(cached[1].min(cached[3]) >= 400, "{cached:?}");
        let cache = &result["imax"]["prefix_cache"];
        assert_eq!(cache["cached_tokens"], json!(cached.iter().sum::<u64>()));
        assert!(cache["hit_rate"].as_f64().unwrap() > 0.3, "{cache}");
    }
}

#[test]
fn sessions_that_name_blocks_keep_their_lengths_and_shared_prefixes() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("traces");
    std::fs::create_dir(&traces).unwrap();
    let engine = Simulator::start(&["--prefix-cache", "--tokenizer", "benchmarks/demo"]);
    let request = |t: f64, input: u32, ids: &[u32]| json!({ "t": t, "type": "s", "model": "m", "in": input, "out": 6, "hash_ids": ids, "api_time": 1.0 });
    for name in ["a.json", "b.json"] {
        let session = json!({ "id": name, "block_size": 64, "hash_id_scope": "local", "models": ["m"],
            "requests": [request(0.0, 320, &[1, 2, 3, 4, 5]), request(1.01, 430, &[1, 2, 3, 4, 5, 6, 7])] });
        write(&traces, name, &format!("{session:#}"));
    }
    let path = traces.display().to_string();
    let arguments = [
        "--dataset-name",
        "recorded",
        "--dataset-path",
        &path,
        "--max-concurrency",
        "1",
        "--ignore-eos",
        "--save-detailed",
    ];
    let (result, output) = measure(engine.port(), &arguments, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!((&result["completed"], &result["total_output_tokens"]), (&json!(4), &json!(24)));
    let lines = detailed(folder.path());
    let number = |line: &Value, key: &str| line[key].as_u64().unwrap_or(0);
    for (line, wanted) in lines.iter().zip([320, 430, 320, 430]) {
        let found = number(line, "reported_input_tokens");
        // The mark in front has some tokens more.
        assert!((wanted..wanted + 64).contains(&found), "{line}");
        assert!(found.abs_diff(number(line, "input_tokens")) <= 8, "{line}");
    }
    let cached: Vec<u64> = lines.iter().map(|line| number(line, "reported_cached_tokens")).collect();
    assert!(cached[0].max(cached[2]) <= 64 && cached[1].min(cached[3]) >= 256, "{cached:?}");
}

#[test]
fn prompts_are_put_into_the_chat_template() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    std::fs::create_dir(&model).unwrap();
    std::fs::copy("benchmarks/demo/tokenizer.json", model.join("tokenizer.json")).unwrap();
    let template = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'].strip() }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
    let config = json!({ "chat_template": template, "eos_token": "</s>" });
    std::fs::write(model.join("tokenizer_config.json"), config.to_string()).unwrap();
    let model = model.display().to_string();
    let engine = Simulator::start(&["--ttft-ms", "2", "--itl-ms", "1", "--tokenizer", &model]);
    let arguments = [
        "--tokenizer",
        &model,
        "--use-chat-template",
        "--random-input-len",
        "80",
        "--random-output-len",
        "4",
        "--num-prompts",
        "12",
        "--max-concurrency",
        "4",
        "--ignore-eos",
    ];
    let (result, output) = measure(engine.port(), &arguments, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!((&result["total_input_tokens"], doubts(&result)), (&json!(960), vec![]));
    let without = imax()
        .args([
            "bench",
            "--model",
            "benchmarks/demo",
            "--use-chat-template",
            "--port",
            engine.port(),
        ])
        .finish();
    assert_eq!(without.status.code(), Some(3), "{}", stderr(&without));
}

#[test]
fn files_that_are_wrong_are_named_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "1", "--itl-ms", "1"]);
    let bad = write(folder.path(), "bad.jsonl", "{\"prompt\":\"a\"}\n{\"text\":\"b\"}\n");
    for (arguments, code, message) in [
        (
            vec!["--dataset-name", "custom", "--dataset-path", &bad],
            3,
            "line 2: missing field `prompt`",
        ),
        (
            vec!["--dataset-name", "mooncake", "--dataset-path", &bad],
            3,
            "line 1: missing field",
        ),
        (vec!["--dataset-name", "sharegpt", "--dataset-path", &bad], 3, "ShareGPT"),
        (
            vec!["--dataset-name", "custom", "--dataset-path", "/nowhere.jsonl"],
            3,
            "/nowhere.jsonl",
        ),
        (vec!["--dataset-name", "custom"], 2, "--dataset-path is missing"),
        (vec!["--dataset-path", &bad], 2, "random reads no file"),
    ] {
        let output = bench(engine.port(), &arguments).finish();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn the_tokenizer_of_a_repository_comes_out_of_the_shared_cache() {
    let folder = tempfile::tempdir().unwrap();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let repository = folder.path().join("models--org--small");
    let snapshot = repository.join("snapshots").join(commit);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(repository.join("refs")).unwrap();
    std::fs::write(repository.join("refs/main"), commit).unwrap();
    std::fs::copy("benchmarks/demo/tokenizer.json", snapshot.join("tokenizer.json")).unwrap();
    let engine = Simulator::start(&["--ttft-ms", "1", "--itl-ms", "1"]);
    let load = |model: &str| {
        let mut command = imax();
        command
            .args(["bench", "--port", engine.port(), "--model", model, "--served-model-name", "demo"])
            .args([
                "--random-input-len",
                "8",
                "--random-output-len",
                "2",
                "--num-prompts",
                "2",
                "--allow-saturated-client",
            ])
            .env("HF_HUB_CACHE", folder.path())
            .env("HF_HUB_OFFLINE", "1");
        command.finish()
    };
    let output = load("org/small");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = load("org/other");
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("HF_HUB_OFFLINE"), "{}", stderr(&output));
}

/// A server that would answer everything, and counts what it is asked.
fn counted() -> HttpServer {
    HttpServer::start(|_, _| Some(HttpResponse::json("{\"data\": [{\"id\": \"demo\"}]}")))
}

#[test]
fn bad_input_costs_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let bad = write(folder.path(), "bad.json", "{\"prompt\": 5}\n");
    let short = json!([{ "conversations": [{ "from": "human", "value": "hi" }, { "from": "gpt", "value": "ho" }] }]);
    let short = write(folder.path(), "short.json", &short.to_string());
    let few = write(folder.path(), "few.jsonl", "{\"prompt\": \"how many\"}\n");
    let verse = write(folder.path(), "verse.txt", "a line of verse\n");
    let cases: [(&[&str], &str); 10] = [
        (&["--dataset-name", "custom", "--dataset-path", &bad], "bad.json"),
        (&["--dataset-name", "custom", "--dataset-path", "/no/such.jsonl"], "/no/such.jsonl"),
        (
            &["--dataset-name", "custom", "--dataset-path", &few, "--num-prompts", "9"],
            "few.jsonl: 1 usable prompts",
        ),
        (&["--dataset-name", "sharegpt", "--dataset-path", &bad], "bad.json"),
        (
            &["--dataset-name", "sharegpt", "--dataset-path", &short],
            "short.json: no conversation",
        ),
        (
            &["--dataset-name", "sharegpt", "--dataset-path", &bad, "--sessions", "2"],
            "bad.json",
        ),
        (&["--dataset-name", "mooncake", "--dataset-path", &bad], "bad.json"),
        (
            &[
                "--dataset-name",
                "recorded",
                "--dataset-path",
                &bad,
                "--max-concurrency",
                "1",
                "--duration",
                "1",
            ],
            "bad.json",
        ),
        (
            &[
                "--dataset-name",
                "sonnet",
                "--dataset-path",
                &verse,
                "--sonnet-input-len",
                "3",
                "--sonnet-prefix-len",
                "1",
            ],
            "--sonnet-input-len 3",
        ),
        (
            &[
                "--dataset-name",
                "random",
                "--use-chat-template",
                "--tokenizer",
                "/no/such/tokenizer",
            ],
            "/no/such/tokenizer",
        ),
    ];
    // With a model, and with one that the server would have to name.
    for model in [&["--model", "benchmarks/demo"][..], &["--tokenizer", "benchmarks/demo"], &[]] {
        for (arguments, message) in &cases {
            // What only a tokenizer finds needs to know which one.
            if model.is_empty() && (message.contains("no conversation") || message.contains("sonnet")) {
                continue;
            }
            let server = counted();
            let output = imax()
                .args(["bench", "--base-url", &server.url])
                .args(model)
                .args(*arguments)
                .finish();
            let words = stderr(&output);
            assert!(words.contains(message), "{model:?} {arguments:?}: {words}");
            assert_eq!(
                (output.status.code(), server.requests()),
                (Some(3), 0),
                "{model:?} {arguments:?}: {words}"
            );
        }
    }
}
