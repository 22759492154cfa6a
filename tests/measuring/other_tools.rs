//! What users of `vllm bench serve`, genai-perf and GuideLLM type.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::client::{bench, doubts, imax, measure, stderr};
use crate::harness::{Finish as _, HttpResponse, HttpServer, Simulator};

fn simulator() -> Simulator {
    Simulator::start(&["--ttft-ms", "2", "--itl-ms", "1", "--tokenizer", "benchmarks/demo"])
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Data sets in the forms that their authors publish them in.
fn data_sets(folder: &Path) {
    let verse: String = (0..60)
        .map(|n| format!("the water of the house is line {n} of the verse\n"))
        .collect();
    write(folder, "sonnet.txt", &verse);
    let rows: String = (0..20)
        .map(|n| format!("{n},GPT-4,{},{},{},Conversation log\n", 20 + n, 5 + n, 25 + 2 * n))
        .collect();
    write(
        folder,
        "BurstGPT.csv",
        &format!("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n{rows}5,ChatGPT,1,1,2,API log\n"),
    );
    let questions: String = (0..6)
        .map(|n| {
            let category = if n % 2 == 0 { "math" } else { "multilingual" };
            json!({ "question_id": n, "category": category, "messages": [{ "role": "user", "content": format!("what is the number {n}?") }] })
                .to_string()
                + "\n"
        })
        .collect();
    write(folder, "speed_bench/qualitative.jsonl", &questions);
    write(
        folder,
        "question.jsonl",
        &questions
            .replace("messages", "turns")
            .replace("[{\"role\":\"user\",\"content\":", "[")
            .replace("}]", "]"),
    );
    let rows: String = (0..5)
        .map(|n| {
            json!({ "question": format!("how many are {n} and {n}?"), "answer": "it is as many as you said it is" }).to_string() + "\n"
        })
        .collect();
    write(folder, "gsm8k/test.jsonl", &rows);
    write(
        folder,
        "data.jsonl",
        "{\"prompt\": \"What is the capital of India?\"}\n{\"prompt\": \"What is the capital of Iran?\"}\n",
    );
}

#[test]
fn documented_lines_of_vllm_run_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    data_sets(folder.path());
    let engine = simulator();
    // Number of requests and of output tokens; `@` is the folder of the data sets.
    for (line, requests, tokens) in [
        (
            "--backend vllm --endpoint /v1/completions --dataset-name custom --dataset-path @/data.jsonl --skip-chat-template --num-prompts 2 \
             --max-concurrency 1 --temperature=0.3 --top-p=0.75 --custom-output-len 4",
            2,
            8,
        ),
        (
            "--dataset-name prefix_repetition --num-prompts 10 --prefix-repetition-prefix-len 51 --prefix-repetition-suffix-len 12 \
             --prefix-repetition-num-prefixes 5 --prefix-repetition-output-len 8",
            10,
            80,
        ),
        (
            "--dataset-name sonnet --dataset-path @/sonnet.txt --num-prompts 4 --sonnet-output-len 6 --sonnet-input-len 300 --sonnet-prefix-len 100",
            4,
            24,
        ),
        ("--dataset-name burstgpt --dataset-path @/BurstGPT.csv --num-prompts -1", 20, 290),
        (
            "--dataset-name speed_bench --dataset-path @/speed_bench --num-prompts -1 --speed-bench-category multilingual --speed-bench-output-len 3",
            3,
            9,
        ),
        (
            "--dataset-name spec_bench --dataset-path @/question.jsonl --num-prompts -1 --output-len 2",
            6,
            12,
        ),
        (
            "--dataset-name hf --dataset-path @/gsm8k --num-prompts 4 --hf-split test --hf-output-len 5",
            4,
            20,
        ),
        (
            "--backend openai-chat --endpoint /v1/chat/completions --dataset-name random-mm --num-prompts 3 --max-concurrency 10 \
             --random-prefix-len 5 --random-input-len 30 --random-output-len 4 --random-range-ratio 1 --random-mm-base-items-per-request 2 \
             --random-mm-num-mm-items-range-ratio 0 --random-mm-limit-mm-per-prompt {\"image\":3,\"video\":0} \
             --random-mm-bucket-config {(32,32,1):0.7,(16,64,1):0.3} --request-rate inf --seed 42",
            3,
            12,
        ),
        (
            "--dataset_name random --random-input-len 20 --random-output-len 4 --top-k 10 --top-p 0.9 --temperature 0.5 --num-prompts 7 \
             --num-prompts 5 --trust-remote-code --ready-check-timeout-sec 600 --goodput ttft:3000 tpot:1000 --percentile-metrics ttft,tpot,itl,e2el \
             --metric-percentiles 25,50,75 --ramp-up-strategy linear --ramp-up-start-rps 100 --ramp-up-end-rps 200",
            5,
            20,
        ),
    ] {
        let line = line.replace('@', folder.path().to_str().unwrap());
        let mut arguments: Vec<&str> = line.split_whitespace().collect();
        arguments.push("--ignore-eos");
        let (result, output) = measure(engine.port(), &arguments, folder.path());
        assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
        assert_eq!(
            (&result["completed"], &result["total_output_tokens"], doubts(&result)),
            (&json!(requests), &json!(tokens), vec![]),
            "{line}"
        );
    }
}

#[test]
fn options_of_genai_perf_and_guidellm_have_their_meaning() {
    let engine = simulator();
    let url = format!("127.0.0.1:{}", engine.port());
    let target = format!("http://{url}");
    for (options, completed, concurrency) in [
        (
            vec![
                "-m",
                "benchmarks/demo",
                "-u",
                &url,
                "--endpoint-type",
                "chat",
                "--streaming",
                "--concurrency",
                "2",
                "--request-count",
                "6",
            ],
            json!(6),
            json!(2),
        ),
        (
            vec![
                "--target",
                &target,
                "--rate-type",
                "concurrent",
                "--rate",
                "3",
                "--max-requests",
                "6",
            ],
            json!(6),
            json!(3),
        ),
        // The server names its model.
        (
            vec!["--url", &target, "--rate-type", "synchronous", "--num-prompts", "3"],
            json!(3),
            json!(1),
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = imax();
        command.args(["bench", "--allow-saturated-client", "--tokenizer", "benchmarks/demo"]);
        if !options.contains(&"--url") {
            command.args(["--model", "benchmarks/demo", "--served-model-name", "demo"]);
        }
        command.args([
            "--isl",
            "20",
            "--osl",
            "4",
            "--ignore-eos",
            "--save-result",
            "--result-filename",
            "r.json",
        ]);
        let output = command.args(&options).arg("--result-dir").arg(folder.path()).finish();
        assert_eq!(output.status.code(), Some(0), "{options:?}: {}", stderr(&output));
        let result: Value = serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
        assert_eq!(
            (&result["completed"], &result["max_concurrency"]),
            (&completed, &concurrency),
            "{options:?}"
        );
        let model = if options.contains(&"--url") { "demo" } else { "benchmarks/demo" };
        assert_eq!(result["model_id"], json!(model));
    }
}

#[test]
fn options_without_an_equal_get_a_hint() {
    for (option, hint) in [
        ("--artifact-dir", "--save-result --result-dir DIR"),
        ("--measurement-interval", "seconds, not milliseconds"),
        ("--data", "--random-input-len"),
    ] {
        let output = imax().args(["bench", "--model", "m", option, "x"]).finish();
        assert_eq!(output.status.code(), Some(2));
        let said = stderr(&output);
        assert!(said.contains(option) && said.contains("hint: ") && said.contains(hint), "{said}");
    }
}

#[test]
fn ratio_of_zero_is_explained_and_has_the_other_meaning_where_asked() {
    let engine = simulator();
    for (style, warns, lengths) in [
        (&[][..], true, None),
        (&["--random-range-ratio-style", "vllm"], false, Some((20.0, 20.0))),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut arguments = vec![
            "--random-input-len",
            "20",
            "--random-output-len",
            "4",
            "--random-range-ratio",
            "0",
            "--num-prompts",
            "20",
        ];
        arguments.extend(style);
        let (result, output) = measure(engine.port(), &arguments, folder.path());
        let said = stderr(&output);
        assert_eq!(said.contains("--random-range-ratio 0 has InferenceX's meaning"), warns, "{said}");
        let found = &result["imax"]["input_tokens"];
        let found = (found["min"].as_f64().unwrap(), found["max"].as_f64().unwrap());
        match lengths {
            Some(lengths) => assert_eq!(found, lengths),
            None => assert!(found.0 < found.1, "{found:?}"),
        }
    }
}

#[test]
fn results_are_appended_line_by_line_under_their_label() {
    let engine = simulator();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("all.json"), "{\"from\": \"before\"}").unwrap();
    let output = bench(
        engine.port(),
        &["--random-input-len", "20", "--random-output-len", "2", "--num-prompts", "4"],
    )
    .args([
        "--max-concurrency",
        "1,2",
        "--save-result",
        "--append-result",
        "--label",
        "night",
        "--result-filename",
        "all.json",
    ])
    .arg("--result-dir")
    .arg(folder.path())
    .finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = std::fs::read_to_string(folder.path().join("all.json")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], json!({ "from": "before" }));
    let found: Vec<(&Value, &Value)> = lines[1..].iter().map(|line| (&line["label"], &line["max_concurrency"])).collect();
    assert_eq!(found, [(&json!("night"), &json!(1)), (&json!("night"), &json!(2))]);
}

#[test]
fn sampling_parameters_prefix_and_images_are_in_the_requests() {
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let sent = Arc::clone(&seen);
    let server = HttpServer::start(move |_, request| {
        sent.lock().unwrap().push(serde_json::from_slice(&request.body).unwrap_or_default());
        let chunk = json!({ "choices": [{ "index": 0, "delta": { "content": "a" }, "finish_reason": "stop" }],
                            "usage": { "prompt_tokens": 10, "completion_tokens": 1 } });
        Some(HttpResponse::new(200).body("text/event-stream", format!("data: {chunk}\n\ndata: [DONE]\n\n")))
    });
    let output = imax()
        .args([
            "bench",
            "--base-url",
            &server.url,
            "--model",
            "benchmarks/demo",
            "--backend",
            "openai-chat",
            "--allow-saturated-client",
        ])
        .args([
            "--dataset-name",
            "random-mm",
            "--random-mm-bucket-config",
            "{(8, 8, 1): 1.0}",
            "--num-prompts",
            "2",
            "--osl",
            "1",
        ])
        .args([
            "--temperature",
            "0.5",
            "--top-k",
            "-1",
            "--repetition-penalty",
            "1.1",
            "--extra-body",
            "{\"temperature\": 0.7}",
        ])
        .finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let seen = seen.lock().unwrap();
    let body = seen.iter().rfind(|body| body.get("messages").is_some()).unwrap();
    assert_eq!(
        (&body["temperature"], &body["top_k"], &body["repetition_penalty"]),
        (&json!(0.7), &json!(-1), &json!(1.1))
    );
    let parts = body["messages"][0]["content"].as_array().unwrap();
    assert_eq!((&parts[0]["type"], &parts[1]["type"]), (&json!("text"), &json!("image_url")));
    assert!(
        parts[1]["image_url"]["url"]
            .as_str()
            .unwrap()
            .starts_with("data:image/png;base64,iVBOR")
    );
}
