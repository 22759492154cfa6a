//! Sends tokens that are due.

use std::io;

use super::{Server, ServerError, ServerOptions, nanos, unix_nanos};
use crate::sim::completion::frame;
use crate::sim::faults::Fault;
use crate::sim::ground_truth::Line;
use crate::sim::pace::Emission;
use crate::sim::trace::Span;

impl Server {
    pub(super) fn send_due(&mut self) -> Result<(), ServerError> {
        while let Some(emission) = self.pace.next_due(self.started.elapsed()) {
            self.send_token(emission)?;
        }
        Ok(())
    }

    fn send_token(&mut self, emission: Emission) -> Result<(), ServerError> {
        let Some(at) = self.owners.get(&emission.id).copied() else {
            return Ok(());
        };
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return Ok(());
        };
        let Some(generating) = connection.generating.as_mut() else {
            return Ok(());
        };
        let is_stream = generating.answer.request().stream;
        let is_chunk = emission.token == 1 || emission.token - generating.sent >= self.options.stream_interval;
        if !(emission.is_last || is_stream && is_chunk) {
            return Ok(());
        }
        if generating.sent > 0
            && generating.sent * 2 >= generating.answer.output()
            && let Some(fault) = generating.fault.take()
            && !self.break_answer(at, fault, emission.id)
        {
            return Ok(());
        }
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return Ok(());
        };
        let Some(generating) = connection.generating.as_mut() else {
            return Ok(());
        };
        self.text.clear();
        generating.answer.cached = emission.cached;
        if is_stream {
            if generating.sent == 0 {
                self.text.push_str(&dated(&generating.answer.stream_head()));
            }
            generating.answer.chunk(generating.sent, emission.token, &mut self.text);
        } else {
            self.text.push_str(&generating.answer.whole());
        }
        generating.sent = emission.token;
        let sent = unix_nanos();
        if let Some(log) = &mut self.ground_truth {
            let line = Line {
                request: &generating.request_id,
                received: generating.received,
                token: emission.token,
                due: self.started_unix + nanos(emission.due),
                sent,
            };
            log.add(&line).map_err(|source| ground_truth_error(&self.options, source))?;
        }
        if emission.is_last {
            if let Some(trace) = &mut self.trace {
                trace.add(Span {
                    request: generating.request_id.clone(),
                    prompt_tokens: generating.answer.request().prompt_tokens,
                    output_tokens: emission.token,
                    begin: generating.received,
                    end: sent,
                });
            }
            connection.generating = None;
            self.owners.remove(&emission.id);
        }
        let lost = connection.send(self.text.as_bytes()).is_err();
        if lost || connection.is_finished() {
            self.drop_connection(at);
        } else if emission.is_last {
            self.take_requests(at);
        }
        Ok(())
    }

    /// Injects a fault in the middle of a response. Returns whether the response continues.
    fn break_answer(&mut self, at: usize, fault: Fault, id: u64) -> bool {
        match fault {
            Fault::Truncate => self.drop_connection(at),
            Fault::Reset => {
                if let Some(Some(connection)) = self.connections.get(at) {
                    connection.reset_on_close();
                }
                self.drop_connection(at);
            }
            Fault::Hang => {
                self.pace.cancel(id);
                self.owners.remove(&id);
            }
            Fault::Malformed => {
                let mut bytes = String::new();
                frame(&mut bytes, "data: {oops\n\n");
                self.reply(at, &bytes);
                return true;
            }
            Fault::Status(_) | Fault::Html | Fault::NoTokens | Fault::Close | Fault::WrongUsage => return true,
        }
        false
    }

    pub(super) fn flush_ground_truth(&mut self) -> Result<(), ServerError> {
        match &mut self.ground_truth {
            None => Ok(()),
            Some(log) => log.flush().map_err(|source| ground_truth_error(&self.options, source)),
        }
    }
}

fn ground_truth_error(options: &ServerOptions, source: io::Error) -> ServerError {
    ServerError::GroundTruth {
        path: options.ground_truth.clone().unwrap_or_default(),
        source,
    }
}

/// A response head with the server's `Date`, as real servers have it (RFC 9110, section 6.6.1).
fn dated(head: &str) -> String {
    let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
    head.replacen("\r\n", &format!("\r\nDate: {date}\r\n"), 1)
}
