//! An incremental parser of server-sent events (WHATWG HTML, section 9.2.6), kept to what inference servers use: the
//! `data` field. Every byte is looked at once, however the stream is cut into reads and however long a line is.

use memchr::memchr;

/// A single event longer than this is refused: no inference server sends one, a hostile one could fill the memory.
const EVENT_LIMIT: usize = 64 << 20;

/// The event grew beyond `EVENT_LIMIT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is longer than 64 MiB")]
pub struct EventTooLong;

/// The parser's state between two reads.
#[derive(Debug, Default)]
pub struct Parser {
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
    /// The `data` lines of the event so far, joined by line breaks.
    data: Vec<u8>,
    has_data: bool,
}

impl Parser {
    /// Takes the next bytes of the stream and hands over the data of each event that they complete.
    ///
    /// # Errors
    /// [`EventTooLong`]; the stream is of no use after that.
    pub fn feed(&mut self, mut bytes: &[u8], mut on_event: impl FnMut(&[u8])) -> Result<(), EventTooLong> {
        loop {
            // Servers send an event as one line, and it seldom takes two reads.
            while !self.is_inside_event()
                && let Some((data, rest)) = whole_event(bytes)
            {
                on_event(data);
                bytes = rest;
            }
            let Some(end) = memchr(b'\n', bytes) else { break };
            let (piece, rest) = (&bytes[..end], &bytes[end + 1..]);
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

    /// Whether bytes of an incomplete event are held: the stream was cut inside an event if it ends now.
    #[must_use]
    pub fn is_inside_event(&self) -> bool {
        self.has_data || !self.line.is_empty()
    }

    fn take_line(&mut self, line: &[u8], on_event: &mut impl FnMut(&[u8])) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                on_event(&self.data);
                self.data.clear();
            }
            return;
        }
        // Comments (`: keep-alive`) and the fields `event`, `id` and `retry` say nothing about tokens.
        let Some(value) = line.strip_prefix(b"data:") else {
            return;
        };
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(field_value(value));
    }
}

/// The data of an event of one line that the bytes begin with, and what follows it; `None` where it is not whole or of another
/// form.
fn whole_event(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = bytes.strip_prefix(b"data:")?;
    let (line, rest) = value.split_at(memchr(b'\n', value)?);
    let rest = rest.strip_prefix(b"\n\n").or_else(|| rest.strip_prefix(b"\n\r\n"))?;
    Some((field_value(line.strip_suffix(b"\r").unwrap_or(line)), rest))
}

/// A field's value without the one space that may stand before it.
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
                .feed(piece, |data| found.push(String::from_utf8(data.to_vec()).unwrap()))
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
            (": ping\n\nevent: x\nid: 1\ndata: a\n\n", vec!["a"]),
            ("data:  two spaces\n\n", vec![" two spaces"]),
            ("data\n\n\n\n", vec![]),
            ("data: cut", vec![]),
            ("data:\n\n", vec![""]),
        ] {
            assert_eq!(events(&[stream.as_bytes()]), expected, "{stream:?}");
        }
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(cuts in proptest::collection::vec(0_usize..60, 0..6)) {
            let stream = "data: {\"a\":1}\r\n\r\n: c\ndata: x\ndata: y\n\nid: 7\ndata: [DONE]\n\n".as_bytes();
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
