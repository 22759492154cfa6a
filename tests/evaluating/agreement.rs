//! The proof: on a real engine at temperature 0, lm-eval and `imax eval` agree on every sample of a task with two filters, in a
//! chat and with plain completions: the same prompts, answers, extracted answers and scores.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Finish as _, imax_inheriting, program, project};

/// A real engine takes its time.
const LIMIT: Duration = Duration::from_secs(1800);

/// A server that is stopped with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Held while real engines and lm-eval run: they would only take each other's time, and times of children are counted together.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn required(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set")))
}

/// Without a cache of prompts: what it computes must not depend on what was asked before.
fn llama_cpp(folder: &Path) -> (Server, String) {
    let port = imax::testing::free_port().unwrap();
    let log = std::fs::File::create(folder.join("llama.log")).unwrap();
    let server = Command::new(required("IMAX_TEST_LLAMA_SERVER"))
        .arg("-m")
        .arg(required("IMAX_TEST_LLAMA_MODEL"))
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "-c",
            "4096",
            "-np",
            "1",
            "-t",
            "2",
            "--alias",
            "smollm2",
        ])
        .args(["--no-cache-prompt", "--cache-ram", "0"])
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server(server);
    let until = Instant::now() + Duration::from_secs(120);
    let healthy = || {
        let answer = Command::new("curl")
            .args(["-sf", &format!("http://127.0.0.1:{port}/health")])
            .output();
        answer.is_ok_and(|output| output.status.success())
    };
    while !healthy() {
        assert!(
            Instant::now() < until,
            "{}",
            std::fs::read_to_string(folder.join("llama.log")).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    (server, format!("http://127.0.0.1:{port}"))
}

/// Evaluates with one of the two engines; gives the samples by filter and document, and the scores.
fn evaluated(url: &str, engine: &str, (api, limit): (&str, usize), output: &Path) -> (BTreeMap<(String, u64), Value>, Value) {
    let ended = imax_inheriting(program())
        .current_dir(project())
        .args([
            "eval",
            "--base-url",
            url,
            "--model",
            "smollm2",
            "--tasks",
            "benchmarks/evals/sums.yaml",
        ])
        .args([
            "--concurrent-requests",
            "1",
            "--quiet",
            "--engine",
            engine,
            "--api",
            api,
            "--limit",
            &limit.to_string(),
        ])
        .arg("--lm-eval")
        .arg(required("IMAX_TEST_LM_EVAL"))
        .arg("--output")
        .arg(output)
        .env("HF_HUB_OFFLINE", "1")
        .finish_within(LIMIT);
    assert!(ended.status.success(), "{engine} {api}: {}", String::from_utf8_lossy(&ended.stderr));
    let (mut samples, mut scores) = (BTreeMap::new(), Value::Null);
    for entry in std::fs::read_dir(output).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = || std::fs::read_to_string(&path).unwrap();
        if name.starts_with("samples_sums") {
            for line in text().lines() {
                let sample: Value = serde_json::from_str(line).unwrap();
                let key = (sample["filter"].as_str().unwrap().to_owned(), sample["doc_id"].as_u64().unwrap());
                samples.insert(key, sample);
            }
        } else if name.starts_with("results_") {
            let document: Value = serde_json::from_str(&text()).unwrap();
            scores = document["results"]["sums"].clone();
        }
    }
    (samples, scores)
}

#[test]
#[ignore = "needs lm-eval and llama.cpp"]
fn lm_eval_and_imax_agree_sample_by_sample() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let (_server, url) = llama_cpp(folder.path());
    // A real engine takes its time: all sixty questions in one form, a third of them in the other.
    for (api, limit) in [("completions", 60), ("chat", 20)] {
        let (theirs, their_scores) = evaluated(&url, "lm-eval", (api, limit), &folder.path().join(format!("lm-eval-{api}")));
        let (ours, our_scores) = evaluated(&url, "native", (api, limit), &folder.path().join(format!("native-{api}")));
        assert_eq!(ours.len(), 2 * limit, "{api}");
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        for (key, our) in &ours {
            let their = &theirs[key];
            let parts = [
                "arguments",
                "prompt_hash",
                "doc",
                "doc_hash",
                "target",
                "target_hash",
                "resps",
                "filtered_resps",
                "exact_match",
            ];
            for part in parts {
                assert_eq!(our[part], their[part], "{api} {key:?} {part}");
            }
        }
        for key in ["exact_match,strict-match", "exact_match,flexible-extract"] {
            assert_eq!(our_scores[key], their_scores[key], "{api} {key}");
            let error = key.replace(',', "_stderr,");
            let (our, their) = (our_scores[&error].as_f64().unwrap(), their_scores[&error].as_f64().unwrap());
            assert!((our - their).abs() < 1e-12, "{api} {error}: {our} {their}");
        }
        let right = ours.values().filter(|sample| sample["exact_match"] == 1.0).count();
        assert!(
            right > 0 && right < ours.len(),
            "{api}: a task that tells nothing proves nothing: {right} right"
        );
    }
}
