//! Requests to real HTTP servers, and truncated journals.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::json;

use super::client::{ClientSettings, RequestError, SendSummary, send_all};
use super::journal::Journal;
use crate::eval::request::{Api, ModelAnswer};
use crate::system::cancellation::{CancelCause, Cancellation};

fn settings(url: String, concurrency: usize) -> ClientSettings {
    ClientSettings {
        url,
        api: Api::Completions,
        key: None,
        concurrency,
        timeout: Duration::from_secs(20),
    }
}

/// Reads one request up to its empty line and its body.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        text.extend_from_slice(&buffer[..count]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)?
                .split("\r\n")
                .next()?
                .parse::<usize>()
                .ok()?;
            if body.len() >= length {
                return Some(body.to_owned());
            }
        }
    }
}

fn reply(stream: &mut TcpStream, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// A server whose `n`th connection, from 0, is handled by `each` on a thread of its own.
fn server(each: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/completions", listener.local_addr().unwrap());
    let each = std::sync::Arc::new(each);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let each = std::sync::Arc::clone(&each);
            let stream = stream.unwrap();
            std::thread::spawn(move || each(number, stream));
        }
    });
    url
}

type Answered = Vec<(usize, Result<ModelAnswer, RequestError>)>;

fn asked(settings: &ClientSettings, count: u32, stop: &Cancellation) -> (Answered, SendSummary) {
    let bodies: Vec<_> = (0..count).map(|number| json!({ "prompt": number })).collect();
    let mut answers = Vec::new();
    let report = send_all(settings, &bodies, stop, &mut |index, answer| answers.push((index, answer))).unwrap();
    answers.sort_by_key(|(index, _)| *index);
    (answers, report)
}

#[test]
fn each_question_gets_its_own_answer() {
    let url = server(|_, mut stream| {
        while let Some(body) = request(&mut stream) {
            reply(
                &mut stream,
                "200 OK",
                &json!({ "choices": [{ "text": body, "finish_reason": "stop" }] }).to_string(),
            );
        }
    });
    let (answers, report) = asked(&settings(url, 7), 40, &Cancellation::new());
    for (index, answer) in &answers {
        assert_eq!(answer.as_ref().unwrap().text, format!("{{\"prompt\":{index}}}"));
    }
    assert_eq!((answers.len(), report.retries), (40, 0));
}

/// The server answers no request before all have arrived.
#[test]
fn concurrency_is_as_configured() {
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(150));
    let url = server(move |_, mut stream| {
        while request(&mut stream).is_some() {
            barrier.wait();
            reply(&mut stream, "200 OK", r#"{"choices":[{"text":"x"}]}"#);
        }
    });
    let (answers, _) = asked(&settings(url, 150), 150, &Cancellation::new());
    assert!(answers.iter().all(|(_, answer)| answer.is_ok()));
}

#[test]
fn failed_connections_are_retried_and_error_statuses_are_not() {
    let url = server(|number, mut stream| {
        while request(&mut stream).is_some() {
            match number {
                0 | 1 => return,
                _ => reply(&mut stream, "200 OK", r#"{"choices":[{"text":"x"}]}"#),
            }
        }
    });
    let (answers, report) = asked(&settings(url, 1), 1, &Cancellation::new());
    assert_eq!((answers[0].1.is_ok(), report.retries), (true, 2));

    let url = server(|_, mut stream| {
        while request(&mut stream).is_some() {
            reply(&mut stream, "400 Bad Request", "the context is too long");
        }
    });
    let (answers, report) = asked(&settings(url, 1), 12, &Cancellation::new());
    assert_eq!(report.retries, 0);
    let RequestError::Status { status: 400, body } = answers[0].1.as_ref().unwrap_err() else {
        panic!("{answers:?}")
    };
    assert_eq!(body, "the context is too long");
    assert_eq!(answers[11].1, Err(RequestError::NotSent));
}

#[test]
fn cancellation_ends_requests_in_flight() {
    let stop = Cancellation::new();
    let raised = stop.clone();
    let url = server(move |_, mut stream| {
        let _ = request(&mut stream);
        raised.cancel(CancelCause::Interrupt);
        // Held open until the client hangs up.
        let _ = request(&mut stream);
    });
    let (answers, _) = asked(&settings(url, 2), 3, &stop);
    assert!(
        answers.iter().all(|(_, answer)| *answer == Err(RequestError::Stopped)),
        "{answers:?}"
    );
}

#[test]
fn missing_response_times_out() {
    let url = server(|_, mut stream| {
        let _ = request(&mut stream);
        let _ = request(&mut stream);
    });
    let mut settings = settings(url, 1);
    settings.timeout = Duration::from_millis(200);
    let (answers, report) = asked(&settings, 1, &Cancellation::new());
    assert_eq!(answers[0].1, Err(RequestError::Timeout(settings.timeout)));
    assert_eq!(report.retries, 0);
}

#[test]
fn journal_returns_answers_and_survives_truncated_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.jsonl");
    let answer = |text: &str| ModelAnswer {
        text: text.to_owned(),
        from_reasoning: false,
        finish_reason: Some("stop".to_owned()),
        tokens: Some(3),
    };
    let mut journal = Journal::open(&path, false).unwrap();
    journal.note("one", &answer("1")).unwrap();
    drop(journal);
    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    file.write_all(b"{\"request\": \"two\", \"answ").unwrap();
    let mut journal = Journal::open(&path, true).unwrap();
    assert_eq!(journal.answer("one"), Some(&answer("1")));
    assert_eq!(journal.answer("two"), None);
    journal.note("three", &answer("3")).unwrap();
    drop(journal);
    let journal = Journal::open(&path, true).unwrap();
    assert_eq!(journal.answer("three"), Some(&answer("3")));
    journal.finish().unwrap();
    assert!(!path.exists());
    assert_eq!(Journal::open(&path, true).unwrap().answer("one"), None);
}
