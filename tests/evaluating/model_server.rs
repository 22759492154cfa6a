//! A server of a model that knows the answers of the sums in the repository, or some of them, and counts its requests.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::harness::{HttpResponse, HttpServer, project};

/// How the model answers.
#[derive(Clone, Copy)]
pub enum Behaviour {
    /// This many questions of the file, from its first, are answered correctly; the others with 0.
    Correct(usize),
    /// Every question is answered correctly until this many requests; the connections of further requests stay open and silent.
    HangsAfter(usize),
    /// The same short text for every question.
    Constant,
    /// Correct, behind thinking that has a number in the form of an answer, and with the next problem behind it as a server that ignores
    /// `stop` goes on.
    ThinksAndGoesOn,
}

/// Each question's position in the file, and its answer.
type Answers = HashMap<String, (usize, String)>;

fn answers() -> Answers {
    let text = std::fs::read_to_string(project().join("benchmarks/evals/sums.jsonl")).unwrap();
    let lines = text.lines().enumerate().map(|(position, line)| {
        let document: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| document[name].as_str().unwrap().to_owned();
        (field("question"), (position, field("answer")))
    });
    lines.collect()
}

pub fn start(behaviour: Behaviour) -> HttpServer {
    let answers = answers();
    HttpServer::start(move |number, request| {
        let body = serde_json::from_slice(&request.body).unwrap();
        let text = match behaviour {
            Behaviour::Constant => "#### 42".to_owned(),
            Behaviour::ThinksAndGoesOn => {
                let answer = answer(&body, usize::MAX, &answers);
                format!("<think>Problem: is it #### 99?</think>\n{answer}\n\nProblem: another one\n#### 98")
            }
            Behaviour::HangsAfter(limit) if number >= limit => return None,
            Behaviour::HangsAfter(_) => answer(&body, usize::MAX, &answers),
            Behaviour::Correct(count) => answer(&body, count, &answers),
        };
        let response = json!({
            "choices": [{ "index": 0, "text": text, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 1 }
        });
        Some(HttpResponse::json(response))
    })
}

fn answer(body: &Value, count: usize, answers: &Answers) -> String {
    let prompt = match body["prompt"].as_str() {
        Some(prompt) => prompt.to_owned(),
        None => body["messages"].as_array().unwrap().last().unwrap()["content"]
            .as_str()
            .unwrap()
            .to_owned(),
    };
    let question = prompt.rsplit("Problem: ").next().unwrap().split("\nSolution:").next().unwrap();
    match answers.get(question) {
        Some((position, answer)) if *position < count => format!(" {answer}"),
        Some(_) | None => " I think it is\n#### 0".to_owned(),
    }
}
