//! An incremental parser of server-sent events (WHATWG HTML, section 9.2.6): names and data, all line endings, comments, a byte order
//! mark. The time is linear in the number of bytes, however the stream is split into reads and however long a line is.

use memchr::{memchr, memchr2};

/// Longest event, bytes. No inference server sends longer ones; a malicious server could otherwise fill the memory.
const EVENT_LIMIT: usize = 64 << 20;

/// The event grew beyond `EVENT_LIMIT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is longer than 64 MiB")]
pub struct EventTooLong;

/// An event as a server sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its name (the field `event`); empty if it has none.
    pub name: &'a [u8],
    /// Its data lines, joined by line feeds. For an event `error` without data, its comment: some gateways put the message there.
    pub data: &'a [u8],
}

/// The parser's state between two reads.
#[derive(Debug, Default)]
pub struct Parser {
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
    /// The name of the event so far.
    name: Vec<u8>,
    /// The `data` lines of the event so far, joined by line breaks.
    data: Vec<u8>,
    has_data: bool,
    /// The last comment within the event so far.
    comment: Vec<u8>,
    /// The last line ended with a carriage return, so a line feed that follows is part of the same line ending.
    after_carriage_return: bool,
    /// Whether the first line, which may begin with a byte order mark, is over.
    has_begun: bool,
}

/// Longest comment or name that is kept, bytes; the rest is dropped.
const NOTE_LIMIT: usize = 512;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Parser {
    /// Takes the next bytes of the stream and hands over each event that they complete. Lines end with a line feed, a carriage
    /// return, or both.
    ///
    /// # Errors
    /// [`EventTooLong`]; the parser must not be used after that.
    pub fn feed(&mut self, mut bytes: &[u8], mut on_event: impl FnMut(Message<'_>)) -> Result<(), EventTooLong> {
        loop {
            if self.after_carriage_return && !bytes.is_empty() {
                self.after_carriage_return = false;
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
            // Fast path without copying: most events are one `data` line that arrives in a single read.
            while self.is_between_events()
                && let Some((data, rest)) = whole_event(bytes)
            {
                self.has_begun = true;
                on_event(Message { name: b"", data });
                bytes = rest;
            }
            let Some(end) = memchr2(b'\n', b'\r', bytes) else { break };
            let (piece, rest) = (&bytes[..end], &bytes[end + 1..]);
            self.after_carriage_return = bytes[end] == b'\r';
            if self.line.is_empty() {
                self.take_line(piece, &mut on_event);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(piece);
                self.take_line(&line, &mut on_event);
                line.clear();
                self.line = line;
            }
            bytes = rest;
        }
        self.line.extend_from_slice(bytes);
        if self.line.len() + self.data.len() > EVENT_LIMIT {
            return Err(EventTooLong);
        }
        Ok(())
    }

    /// Whether data of an incomplete event is held: the stream was cut inside an event if it ends now.
    #[must_use]
    pub fn is_inside_event(&self) -> bool {
        self.has_data || !self.line.is_empty()
    }

    /// The data of the last event, if the stream ended inside it. Some servers omit the empty line after the last event.
    #[must_use]
    pub fn unfinished_data(&self) -> Vec<u8> {
        let mut data = self.data.clone();
        if let Some(value) = self.line.strip_prefix(b"data:") {
            data.extend_from_slice(field_value(value));
        }
        data
    }

    fn is_between_events(&self) -> bool {
        !self.is_inside_event() && self.name.is_empty() && self.comment.is_empty()
    }

    fn take_line(&mut self, line: &[u8], on_event: &mut impl FnMut(Message<'_>)) {
        let line = if std::mem::replace(&mut self.has_begun, true) {
            line
        } else {
            line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
        };
        if line.is_empty() {
            return self.dispatch(on_event);
        }
        let (field, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], field_value(&line[colon + 1..])),
            None => (line, &line[line.len()..]),
        };
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.name = value[..value.len().min(NOTE_LIMIT)].to_vec(),
            b"" => self.comment = value[..value.len().min(NOTE_LIMIT)].to_vec(),
            // `id`, `retry` and unknown fields say nothing about tokens.
            _ => {}
        }
    }

    fn dispatch(&mut self, on_event: &mut impl FnMut(Message<'_>)) {
        let name = std::mem::take(&mut self.name);
        let comment = std::mem::take(&mut self.comment);
        if std::mem::take(&mut self.has_data) {
            on_event(Message {
                name: &name,
                data: &self.data,
            });
            self.data.clear();
        } else if name == b"error" {
            on_event(Message {
                name: &name,
                data: &comment,
            });
        }
    }
}

/// If the bytes begin with a complete event of a single `data` line, its data and the remaining bytes; otherwise `None`.
fn whole_event(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = bytes.strip_prefix(b"data:")?;
    let (line, rest) = value.split_at(memchr2(b'\n', b'\r', value)?);
    let rest = rest.strip_prefix(b"\n\n").or_else(|| rest.strip_prefix(b"\r\n\r\n"))?;
    Some((field_value(line), rest))
}

/// A field's value without the single optional space after the colon.
fn field_value(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b" ").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(pieces: &[&[u8]]) -> Vec<String> {
        let mut parser = Parser::default();
        let mut found = Vec::new();
        for piece in pieces {
            parser
                .feed(piece, |message| {
                    let name = String::from_utf8(message.name.to_vec()).unwrap();
                    let data = String::from_utf8(message.data.to_vec()).unwrap();
                    found.push(if name.is_empty() { data } else { format!("{name}={data}") });
                })
                .unwrap();
        }
        found
    }

    #[test]
    fn reads_every_form_of_event() {
        for (stream, expected) in [
            ("data: a\n\ndata: b\n\n", vec!["a", "b"]),
            ("data:a\r\n\r\n", vec!["a"]),
            ("data: a\ndata: b\n\n", vec!["a\nb"]),
            (": ping\n\nevent: x\nid: 1\ndata: a\n\ndata: b\n\n", vec!["x=a", "b"]),
            ("data: a\r\rdata: b\r\r", vec!["a", "b"]),
            ("data: a\r\n\r\nevent: x\r\ndata: b\r\n\r\n", vec!["a", "x=b"]),
            ("\u{feff}data: a\n\n", vec!["a"]),
            ("\u{feff}: hello\n\ndata: a\n\n", vec!["a"]),
            ("event: error\n: upstream died\n\ndata: a\n\n", vec!["error=upstream died", "a"]),
            ("event: ping\n\ndata: a\n\n", vec!["a"]),
            ("retry: 3\nunknown: 4\ndata: a\n\n", vec!["a"]),
            ("data:  two spaces\n\n", vec![" two spaces"]),
            ("data\n\n\n\n", vec![""]),
            ("data: cut", vec![]),
            ("data:\n\n", vec![""]),
        ] {
            assert_eq!(events(&[stream.as_bytes()]), expected, "{stream:?}");
        }
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(cuts in proptest::collection::vec(0_usize..80, 0..6)) {
            let stream = "\u{feff}data: {\"a\":1}\r\n\r\n: c\ndata: x\ndata: y\n\nevent: z\rdata: 1\r\rdata: [DONE]\n\n".as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            cuts.push(stream.len());
            let mut start = 0;
            let mut pieces = Vec::new();
            for cut in cuts {
                pieces.push(&stream[start..cut]);
                start = cut;
            }
            prop_assert_eq!(events(&pieces), events(&[stream]));
        }
    }

    #[test]
    fn a_megabyte_line_in_small_reads_is_one_event() {
        let line = format!("data: {}\n\n", "z".repeat(1 << 20));
        let pieces: Vec<&[u8]> = line.as_bytes().chunks(1000).collect();
        let found = events(&pieces);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].len(), 1 << 20);
    }
}
