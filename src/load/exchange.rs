//! One request and its answer as a state machine without a socket: bytes with their arrival instants go in, a [`Record`] comes out.
//! Recorded times are those at which the bytes arrived, not those at which they were parsed.

use std::time::Duration;

use super::http::ResponseReader;
use super::reason::Reason;
use super::record::Record;
use super::response::Response;
use super::stamp::Stamp;

/// State of an exchange after bytes were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The answer is not complete.
    Pending,
    /// The answer is complete. Whether it succeeded is in the record.
    Complete {
        /// Whether the connection can carry another request.
        reusable: bool,
    },
}

/// A request that was sent, and its answer so far.
#[derive(Debug)]
pub struct Exchange {
    record: Record,
    reader: ResponseReader,
    answer: Response,
}

/// What is known of a request before it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Number of the request in the plan.
    pub index: u32,
    /// Number of its server.
    pub server: usize,
    /// Prompt length, tokens.
    pub prompt_tokens: u32,
    /// Requested output length, tokens.
    pub output_tokens: u32,
    /// Keep the text of chunks that come without usage, to count their tokens later.
    pub keep_texts: bool,
    /// Keep the answer's text, because a further turn repeats it.
    pub keep_answer: bool,
}

impl Exchange {
    /// A request that is scheduled for `scheduled` and passed to the kernel at `sent`. `connect` is the time to open its
    /// connection, if a new one was opened.
    #[must_use]
    pub fn new(asked: Asked, scheduled: Stamp, sent: Stamp, connect: Option<Duration>) -> Self {
        Self {
            record: Record {
                index: asked.index,
                server: asked.server,
                scheduled,
                sent,
                connect,
                ended: sent,
                prompt_tokens: asked.prompt_tokens,
                asked_tokens: asked.output_tokens,
                ..Record::default()
            },
            reader: ResponseReader::default(),
            answer: Response::expected(asked.output_tokens, asked.keep_texts, asked.keep_answer),
        }
    }

    /// Whether the server has sent the end of the answer, although the body may continue.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.answer.is_done()
    }

    /// Tokens that have arrived, as far as known now.
    #[must_use]
    pub fn tokens_so_far(&self) -> u32 {
        self.answer.tokens_so_far()
    }

    /// Time from the send to the first token, once it has arrived.
    #[must_use]
    pub fn time_to_first_token(&self) -> Option<Duration> {
        self.answer.first_token().map(|at| at.since(self.record.sent))
    }

    /// Takes bytes that arrived at `at`.
    pub fn receive(&mut self, bytes: &[u8], at: Stamp) -> Step {
        let Self { reader, answer, .. } = self;
        // Bytes after `[DONE]` belong to the framing, not to the answer, so they do not move its end.
        if !answer.is_done() {
            self.record.ended = at;
        }
        answer.begin_read();
        let fed = reader.feed(bytes, |head, body| answer.take(head, body, at));
        answer.end_read();
        if self.record.server_date.is_none() {
            self.record.server_date = reader.head().and_then(|head| head.date).map(|date| (date, at));
        }
        let surplus = match fed {
            Ok(used) => used < bytes.len(),
            Err(error) => {
                self.answer.fail(Reason::MalformedResponse, &error.to_string());
                true
            }
        };
        if surplus || self.reader.is_complete() {
            let keep_alive = self.reader.head().is_some_and(|head| head.keep_alive);
            return Step::Complete {
                reusable: keep_alive && !surplus && self.reader.is_complete(),
            };
        }
        // The rest of a stream is not read after a protocol error.
        if self.answer.has_failed() {
            return Step::Complete { reusable: false };
        }
        Step::Pending
    }

    /// Ends the exchange after [`Step::Complete`].
    #[must_use]
    pub fn complete(mut self) -> Record {
        self.judge();
        self.into_record()
    }

    /// Ends the exchange because the server closed the connection at `at`.
    #[must_use]
    pub fn closed(mut self, at: Stamp) -> Record {
        if self.answer.is_done() {
            self.judge();
            return self.into_record();
        }
        self.record.ended = at;
        if self.reader.may_end_by_close() {
            self.judge();
        } else {
            let seen = match self.reader.head() {
                None => "the server closed the connection without an answer".to_owned(),
                Some(_) => format!("the server closed the connection after {} tokens", self.answer.tokens_so_far()),
            };
            self.answer.fail(Reason::ClosedEarly, &seen);
        }
        self.into_record()
    }

    /// Ends the exchange with a failure that is not part of the answer, such as a timeout.
    #[must_use]
    pub fn fail(mut self, reason: Reason, detail: &str, at: Stamp) -> Record {
        self.record.ended = at;
        self.answer.fail(reason, detail);
        self.into_record()
    }

    fn into_record(self) -> Record {
        let Self { mut record, answer, .. } = self;
        answer.put_into(&mut record);
        record
    }

    fn judge(&mut self) {
        if let Some(head) = self.reader.head() {
            self.answer.judge(head, self.record.ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::record::ChunkMark;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> Stamp {
        Stamp::from_unix_nanos(1_000_000_000_000 + ms * MS)
    }

    fn exchange() -> Exchange {
        let asked = Asked {
            index: 3,
            server: 0,
            prompt_tokens: 7,
            output_tokens: 4,
            keep_texts: true,
            keep_answer: true,
        };
        Exchange::new(asked, at(0), at(1), None)
    }

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

    /// Feeds a stream in which each `|` is a pause of 10 ms, then closes it.
    fn run(body: &str) -> Record {
        let mut exchange = exchange();
        assert_eq!(exchange.receive(HEAD.as_bytes(), at(5)), Step::Pending);
        let mut now = 51;
        for piece in body.split('|') {
            if let Step::Complete { .. } = exchange.receive(piece.as_bytes(), at(now)) {
                return exchange.complete();
            }
            now += 10;
        }
        exchange.closed(at(now))
    }

    fn completion(text: &str, tokens: Option<u32>) -> String {
        let usage = tokens.map_or_else(String::new, |n| {
            format!(",\"usage\":{{\"prompt_tokens\":7,\"completion_tokens\":{n}}}")
        });
        format!("data: {{\"choices\":[{{\"text\":\"{text}\"}}]{usage}}}\n\n")
    }

    #[test]
    fn continuous_usage_counts_the_tokens_of_each_chunk() {
        let [a, b, c] = [("a", 2), ("b", 3), ("c", 4)].map(|(text, n)| completion(text, Some(n)));
        let record = run(&format!("{a}|{b}|{c}data: [DONE]\n\n"));
        assert!(record.is_success(), "{:?}", record.failure);
        assert_eq!(record.first_token, Some(at(51)));
        assert_eq!(record.first_tokens, Some(2));
        assert_eq!(record.last_token, Some(at(71)));
        let ten = Duration::from_millis(10);
        assert_eq!(record.marks, [ChunkMark::new(ten, Some(1)), ChunkMark::new(ten, Some(1))]);
        assert!(record.has_continuous_usage());
        assert_eq!((record.reported_output_tokens, record.reported_prompt_tokens), (Some(4), Some(7)));
    }

    #[test]
    fn final_usage_is_not_counted_as_token() {
        let total = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n";
        let record = run(&format!(
            "{}|{}|{total}data: [DONE]\n\n",
            completion("a", None),
            completion("b", None)
        ));
        assert_eq!(record.chunks(), 2);
        assert_eq!(record.last_token, Some(at(61)));
        assert!(!record.has_continuous_usage());
        assert_eq!(
            (
                record.texts.unwrap().iter().collect::<Vec<_>>(),
                record.answer.as_str(),
                record.merged_chunks
            ),
            (vec!["a", "b"], "ab", 0)
        );
        assert_eq!(record.reported_output_tokens, Some(2));
    }

    #[test]
    fn chunks_that_share_a_read_are_counted() {
        let [a, b, c] = [("a", 1), ("b", 2), ("c", 3)].map(|(text, n)| completion(text, Some(n)));
        let record = run(&format!("{a}|{b}{c}data: [DONE]\n\n"));
        assert_eq!((record.merged_chunks, record.chunks(), record.last_token), (1, 3, Some(at(61))));
    }

    #[test]
    fn streams_of_sglang_and_triton() {
        let sglang = |text: &str, n: u32| {
            format!("data: {{\"text\":\"{text}\",\"meta_info\":{{\"prompt_tokens\":7,\"completion_tokens\":{n}}}}}\n\n")
        };
        // The last chunk repeats the count with the finish reason.
        let record = run(&format!(
            "{}|{}|{}data: [DONE]\n\n",
            sglang("a", 1),
            sglang("abc", 3),
            sglang("abc", 3)
        ));
        assert!(record.is_success(), "{:?}", record.failure);
        assert_eq!((record.chunks(), record.first_tokens, record.answer.as_str()), (2, Some(1), "abc"));
        assert_eq!(record.last_token, Some(at(61)));
        let triton = |text: &str| format!("data: {{\"model_name\":\"ensemble\",\"text_output\":\"{text}\"}}\n\n");
        let record = run(&format!("{}|{}", triton("a"), triton("b")));
        assert!(record.is_success(), "{:?}", record.failure);
        assert_eq!(
            (record.chunks(), record.texts.unwrap().whole(), record.answer.as_str()),
            (2, "ab", "ab")
        );
    }

    #[test]
    fn a_finish_reason_and_a_proper_end_complete_a_stream() {
        let end = "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n";
        let record = run(&format!("{}|{end}", completion("a", None)));
        assert!(record.is_success(), "{:?}", record.failure);
        // The same without the end of the chunked body.
        let mut cut = exchange();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = format!("{}{end}", completion("a", None));
        let framed = format!("{head}{:x}\r\n{body}\r\n", body.len());
        assert_eq!(cut.receive(framed.as_bytes(), at(9)), Step::Pending);
        assert_eq!(cut.closed(at(19)).failure.unwrap().reason, Reason::ClosedEarly);
    }

    #[test]
    fn done_ends_the_answer_although_the_connection_stays_open() {
        let mut exchange = exchange();
        assert_eq!(exchange.receive(HEAD.as_bytes(), at(5)), Step::Pending);
        let body = format!("{}data: [DONE] \n\n", completion("a", Some(1)));
        assert_eq!(exchange.receive(body.as_bytes(), at(51)), Step::Pending);
        assert!(exchange.is_answered());
        assert_eq!(exchange.receive(b": bye\n\n", at(900)), Step::Pending);
        let record = exchange.closed(at(2000));
        assert!(record.is_success(), "{:?}", record.failure);
        assert_eq!(record.ended, at(51));
        // Some servers leave out the last empty line.
        assert!(run(&format!("{}data: [DONE]", completion("a", None))).is_success());
    }

    #[test]
    fn failures_in_a_stream_have_the_words_of_the_server() {
        let token = completion("a", None);
        for body in [
            "event: error\ndata: upstream died\n\n",
            "event: error\ndata: {\"error\": {\"message\": \"upstream died\"}}\n\n",
            "event: error\n: upstream died\n\n",
            "data: {\"error\": \"upstream died\"}\n\n",
        ] {
            let failure = run(&format!("{token}{body}data: [DONE]\n\n")).failure.unwrap();
            assert_eq!(
                (failure.reason, failure.detail.as_str()),
                (Reason::ServerError, "upstream died"),
                "{body}"
            );
        }
        let aborted = format!("{token}data: {{\"choices\":[{{\"text\":\"\",\"finish_reason\":\"abort\"}}]}}\n\ndata: [DONE]\n\n");
        assert_eq!(run(&aborted).failure.unwrap().reason, Reason::ServerError);
    }

    #[test]
    fn the_form_of_a_body_is_seen_where_its_type_is_missing_or_wrong() {
        let events = format!("{}data: [DONE]\n\n", completion("a", None));
        for (content_type, body, reason) in [
            ("", events.as_str(), None),
            ("Content-Type: application/json\r\n", events.as_str(), None),
            (
                "Content-Type: text/event-stream\r\n",
                "{\"error\": \"no such model\"}",
                Some(Reason::ServerError),
            ),
        ] {
            let mut exchange = exchange();
            exchange.receive(format!("HTTP/1.1 201 Created\r\n{content_type}\r\n").as_bytes(), at(9));
            exchange.receive(body.as_bytes(), at(19));
            let record = exchange.closed(at(29));
            assert_eq!(record.failure.map(|failure| failure.reason), reason, "{content_type} {body}");
        }
    }

    #[test]
    fn tokens_that_were_not_streamed_are_counted() {
        let reasoning =
            "data: {\"choices\":[],\"usage\":{\"completion_tokens\":105,\"completion_tokens_details\":{\"reasoning_tokens\":100}}}\n\n";
        let total = "data: {\"choices\":[],\"usage\":{\"completion_tokens\":105}}\n\n";
        let words = completion("five", None);
        for (body, expected) in [
            (format!("{words}|{words}|{reasoning}data: [DONE]\n\n"), 100),
            (format!("{words}|{words}|{total}data: [DONE]\n\n"), 105 - 8 - 2 - 8),
            // A count for each chunk, the first of which is far too high for its text.
            (
                format!("{}|{}data: [DONE]\n\n", completion("five", Some(40)), completion("a", Some(41))),
                36,
            ),
            // Several tokens in a chunk, and tokens without text of their own.
            (
                format!("{}|{}data: [DONE]\n\n", completion("five", Some(4)), completion("", Some(6))),
                0,
            ),
        ] {
            let record = run(&body);
            assert!(record.is_success(), "{:?}", record.failure);
            assert_eq!(record.unstreamed_tokens, expected, "{body}");
        }
    }

    #[test]
    fn an_empty_role_chunk_is_not_the_first_token() {
        let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
        let word = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
        let record = run(&format!("{role}|{word}|data: [DONE]\n\n"));
        assert_eq!(record.first_token, Some(at(61)));
    }

    /// The model ended its answer with its first token: there is no text whose latency could be measured.
    #[test]
    fn empty_answers_fail() {
        let usage = |tokens| format!("data: {{\"choices\":[],\"usage\":{{\"completion_tokens\":{tokens}}}}}\n\ndata: [DONE]\n\n");
        let role = "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}\n\n";
        for (tokens, reason) in [(0, Some(Reason::NoTokens)), (1, Some(Reason::EmptyAnswer)), (9, None), (50, None)] {
            let failure = run(&format!("{role}|{}", usage(tokens))).failure;
            assert_eq!(failure.map(|failure| failure.reason), reason, "{tokens}");
        }
    }

    #[test]
    fn each_bad_answer_has_its_reason() {
        let token = completion("a", None);
        for (body, reason) in [
            ("data: [DONE]\n\n".to_owned(), Reason::NoTokens),
            (token.clone(), Reason::ClosedEarly),
            (format!("{token}data: {{\"cho"), Reason::ClosedEarly),
            (format!("{token}data: {{oops}}\n\n"), Reason::MalformedEvent),
            (
                format!("{token}data: {{\"error\":{{\"message\":\"oom\"}}}}\n\n"),
                Reason::ServerError,
            ),
        ] {
            assert_eq!(run(&body).failure.unwrap().reason, reason, "{body}");
        }
    }

    #[test]
    fn responses_without_stream() {
        for (answer, reason) in [
            (
                "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\n\r\nslow",
                Some(Reason::Status(429)),
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
                Some(Reason::UnexpectedContent),
            ),
            ("SMTP ready\r\n", Some(Reason::MalformedResponse)),
            (
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 68\r\n\r\n{\"choices\":[{\"text\":\"abc\"}],\"usage\":{\"completion_tokens\":4,\"x\":\"y\"}}",
                None,
            ),
        ] {
            let mut exchange = exchange();
            let step = exchange.receive(answer.as_bytes(), at(9));
            assert!(matches!(step, Step::Complete { .. }), "{answer}: {step:?}");
            let record = exchange.complete();
            assert_eq!(record.failure.map(|failure| failure.reason), reason, "{answer}");
        }
    }

    #[test]
    fn close_without_response_is_a_failure() {
        assert_eq!(exchange().closed(at(9)).failure.unwrap().reason, Reason::ClosedEarly);
    }
}
