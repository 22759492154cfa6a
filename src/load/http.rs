//! An incremental reader of one HTTP/1.1 response (RFC 9112): the head is parsed by httparse; the body ends by `Content-Length`, by
//! chunked framing, or with the connection. Body bytes are passed on as they arrive, without buffering.

use memchr::memmem;

use super::content_coding::ContentCoding;
use crate::model::saturating;

/// Maximum length of a head, bytes.
const HEAD_LIMIT: usize = 64 << 10;
const MAX_HEADERS: usize = 96;
/// Maximum number of informational responses before the final one. Servers send one or two (100, 103).
const MAX_INFORMATIONAL: u8 = 16;
/// Maximum length of a chunk-size line with its extensions, bytes.
const SIZE_LINE_LIMIT: usize = 256;

/// The bytes are not an HTTP/1.1 response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The head cannot be parsed.
    #[error("the response's head is not HTTP/1.1: {0}")]
    Head(String),
    /// The head is too long.
    #[error("the response's head is longer than 64 KiB")]
    HeadTooLong,
    /// Informational responses without end.
    #[error("more than {MAX_INFORMATIONAL} informational responses (1xx) before the final one")]
    Informational,
    /// `Content-Length` is not a number, or is given twice with different values.
    #[error("the response's content-length {0:?} is not a number of bytes")]
    ContentLength(String),
    /// The chunked framing is broken.
    #[error("the response's chunked framing is broken")]
    Chunk,
}

/// The parts of a response head that the client uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// `Content-Type` in lower case, empty if absent.
    pub content_type: String,
    /// Whether the body is a stream of server-sent events.
    pub is_event_stream: bool,
    /// How the body is compressed.
    pub coding: ContentCoding,
    /// `Location`, if the response is a redirect.
    pub location: Option<String>,
    /// `Date`, seconds since the Unix epoch.
    pub date: Option<u64>,
    /// Whether the connection can carry another request.
    pub keep_alive: bool,
}

#[derive(Debug)]
enum Body {
    Length(u64),
    Chunk(Chunked),
    UntilClose,
    Complete,
}

#[derive(Debug)]
enum Chunked {
    /// In a size line; the bytes of it that have arrived.
    Size(Vec<u8>),
    /// Inside a chunk, bytes left.
    Data(u64),
    /// After the data of a chunk: the next expected byte of the line break.
    DataEnd(u8),
    /// After the last chunk: trailer lines up to an empty one.
    Trailer(Trailer),
}

/// The trailer so far, without carriage returns.
#[derive(Debug, Default, Clone, Copy)]
struct Trailer {
    /// Length of the current line, bytes.
    line: usize,
    /// Length of all lines, bytes.
    total: usize,
}

/// Reads one response from successive reads of a connection.
#[derive(Debug)]
pub struct ResponseReader {
    head_bytes: Vec<u8>,
    informational: u8,
    head: Option<Head>,
    body: Body,
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self {
            head_bytes: Vec::new(),
            informational: 0,
            head: None,
            body: Body::Length(0),
        }
    }
}

impl ResponseReader {
    /// The head, once it has arrived.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Whether the whole response has arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.head.is_some() && matches!(self.body, Body::Complete)
    }

    /// Whether the end of the connection is a proper end of this response.
    #[must_use]
    pub fn may_end_by_close(&self) -> bool {
        self.head.is_some() && matches!(self.body, Body::UntilClose | Body::Complete)
    }

    /// Takes the next bytes and passes the body bytes among them to `on_body`. Returns how many bytes belong to this response.
    /// Further bytes are an error of the server, because requests are not pipelined.
    ///
    /// # Errors
    /// Any [`HttpError`]; the connection cannot be used after that.
    pub fn feed(&mut self, bytes: &[u8], mut on_body: impl FnMut(&Head, &[u8])) -> Result<usize, HttpError> {
        if self.head.is_some() {
            return self.feed_body(bytes, &mut on_body);
        }
        let before = self.head_bytes.len();
        self.head_bytes.extend_from_slice(bytes);
        // The empty line may be split between two reads, so the search starts three bytes before the new ones.
        let from = before.saturating_sub(3);
        let Some(end) = memmem::find(&self.head_bytes[from..], b"\r\n\r\n").map(|at| from + at + 4) else {
            return if self.head_bytes.len() > HEAD_LIMIT {
                Err(HttpError::HeadTooLong)
            } else {
                self.refuse_what_is_not_http()?;
                Ok(bytes.len())
            };
        };
        let head_bytes = std::mem::take(&mut self.head_bytes);
        let (head, body) = parse_head(&head_bytes[..end])?;
        // An informational response (RFC 9110, section 15.2): the final one follows.
        if (100..200).contains(&head.status) {
            self.informational += 1;
            if self.informational > MAX_INFORMATIONAL {
                return Err(HttpError::Informational);
            }
            return Ok(end - before + self.feed(&head_bytes[end..], on_body)?);
        }
        self.head = Some(head);
        self.body = body;
        Ok(end - before + self.feed_body(&head_bytes[end..], &mut on_body)?)
    }

    /// Refuses another protocol by its first bytes, because an empty line may never come.
    fn refuse_what_is_not_http(&self) -> Result<(), HttpError> {
        let start = self.head_bytes.len().min(5);
        if self.head_bytes[..start] == b"HTTP/"[..start] {
            return Ok(());
        }
        let seen: String = String::from_utf8_lossy(&self.head_bytes).chars().take(40).collect();
        Err(HttpError::Head(format!("it starts with {seen:?}")))
    }

    fn feed_body(&mut self, bytes: &[u8], on_body: &mut impl FnMut(&Head, &[u8])) -> Result<usize, HttpError> {
        let Some(head) = &self.head else { return Ok(0) };
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.body {
                Body::Complete => break,
                Body::UntilClose => {
                    on_body(head, rest);
                    at = bytes.len();
                }
                Body::Length(left) => {
                    let part = take(rest, *left);
                    on_body(head, part);
                    at += part.len();
                    *left -= part.len() as u64;
                    if *left == 0 {
                        self.body = Body::Complete;
                    }
                }
                Body::Chunk(state) => {
                    // Fast path: servers send an event as one chunk, which seldom takes two reads.
                    if state.is_between_chunks()
                        && let Some((data, used)) = whole_chunk(rest)
                    {
                        on_body(head, data);
                        at += used;
                        continue;
                    }
                    let (used, next) = state.advance(rest, |part| on_body(head, part))?;
                    at += used;
                    match next {
                        ChunkedNext::Same => {}
                        ChunkedNext::State(next) => *state = next,
                        ChunkedNext::Complete => self.body = Body::Complete,
                    }
                }
            }
        }
        Ok(at)
    }
}

enum ChunkedNext {
    Same,
    State(Chunked),
    Complete,
}

impl Chunked {
    fn is_between_chunks(&self) -> bool {
        match self {
            Self::Size(line) => line.is_empty(),
            Self::Data(_) | Self::DataEnd(_) | Self::Trailer(_) => false,
        }
    }

    /// Consumes at least one byte. Returns the number of consumed bytes, and what comes next.
    fn advance(&mut self, bytes: &[u8], mut on_data: impl FnMut(&[u8])) -> Result<(usize, ChunkedNext), HttpError> {
        match self {
            Self::Size(line) => {
                let Some(end) = memchr::memchr(b'\n', bytes) else {
                    line.extend_from_slice(bytes);
                    return if line.len() > SIZE_LINE_LIMIT {
                        Err(HttpError::Chunk)
                    } else {
                        Ok((bytes.len(), ChunkedNext::Same))
                    };
                };
                let size = if line.is_empty() {
                    chunk_size(&bytes[..end])?
                } else {
                    line.extend_from_slice(&bytes[..end]);
                    chunk_size(line)?
                };
                let next = if size == 0 {
                    Self::Trailer(Trailer::default())
                } else {
                    Self::Data(size)
                };
                Ok((end + 1, ChunkedNext::State(next)))
            }
            Self::Data(left) => {
                let part = take(bytes, *left);
                on_data(part);
                *left -= part.len() as u64;
                let next = if *left == 0 {
                    ChunkedNext::State(Self::DataEnd(b'\r'))
                } else {
                    ChunkedNext::Same
                };
                Ok((part.len(), next))
            }
            Self::DataEnd(expected) => match (*expected, bytes[0]) {
                (b'\r', b'\r') => Ok((1, ChunkedNext::State(Self::DataEnd(b'\n')))),
                (_, b'\n') => Ok((1, ChunkedNext::State(Self::Size(Vec::new())))),
                _ => Err(HttpError::Chunk),
            },
            Self::Trailer(trailer) => {
                let end = memchr::memchr(b'\n', bytes);
                let part = &bytes[..end.unwrap_or(bytes.len())];
                let length = part.iter().filter(|byte| **byte != b'\r').count();
                trailer.line += length;
                trailer.total += length;
                if trailer.total > HEAD_LIMIT {
                    return Err(HttpError::Chunk);
                }
                let Some(end) = end else {
                    return Ok((bytes.len(), ChunkedNext::Same));
                };
                if trailer.line == 0 {
                    return Ok((end + 1, ChunkedNext::Complete));
                }
                trailer.line = 0;
                Ok((end + 1, ChunkedNext::Same))
            }
        }
    }
}

fn take(bytes: &[u8], left: u64) -> &[u8] {
    let count = saturating::to_usize(left).min(bytes.len());
    &bytes[..count]
}

/// Maximum number of hexadecimal digits of a chunk size on the fast path; such sizes fit into 32 bits.
const MOST_SIZE_DIGITS: usize = 8;

/// The data and the whole length of the chunk that the bytes start with. `None` if it is incomplete, is the last chunk, or has an
/// unusual form such as extensions.
fn whole_chunk(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (mut size, mut digits) = (0_usize, 0);
    while digits < MOST_SIZE_DIGITS
        && let Some(digit) = bytes.get(digits).and_then(|byte| char::from(*byte).to_digit(16))
    {
        size = size << 4 | digit as usize;
        digits += 1;
    }
    let data = bytes.get(digits..)?.strip_prefix(b"\r\n")?;
    let is_whole = size > 0 && data.get(size..)?.starts_with(b"\r\n");
    is_whole.then(|| (&data[..size], digits + size + 4))
}

fn chunk_size(line: &[u8]) -> Result<u64, HttpError> {
    let digits = line.split(|byte| matches!(byte, b';' | b'\r')).next().unwrap_or_default();
    let text = std::str::from_utf8(digits).map_err(|_| HttpError::Chunk)?.trim();
    u64::from_str_radix(text, 16).map_err(|_| HttpError::Chunk)
}

fn parse_head(bytes: &[u8]) -> Result<(Head, Body), HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(bytes).map_err(|error| HttpError::Head(error.to_string()))?;
    let status = response.code.unwrap_or(0);
    let mut keep_alive = response.version == Some(1);
    let mut content_type = String::new();
    let mut length = None;
    let mut chunked = false;
    let mut codings = String::new();
    let mut location = None;
    let mut date = None;
    for header in response.headers.iter() {
        let exact = String::from_utf8_lossy(header.value);
        let value = exact.trim().to_ascii_lowercase();
        match header.name.to_ascii_lowercase().as_str() {
            "connection" => keep_alive = !value.contains("close") && (keep_alive || value.contains("keep-alive")),
            "content-type" => content_type = value,
            "content-length" => {
                let parsed: u64 = value.parse().map_err(|_| HttpError::ContentLength(value.clone()))?;
                if length.is_some_and(|earlier| earlier != parsed) {
                    return Err(HttpError::ContentLength(value));
                }
                length = Some(parsed);
            }
            "transfer-encoding" => {
                chunked = value.ends_with("chunked");
                add_coding(&mut codings, value.trim_end_matches("chunked"));
            }
            "content-encoding" => add_coding(&mut codings, &value),
            // RFC 2822 has the preferred format of an HTTP date (RFC 9110, section 5.6.7).
            "date" => date = chrono::DateTime::parse_from_rfc2822(exact.trim()).ok().map(|date| date.timestamp()),
            "location" => location = Some(exact.trim().to_owned()),
            _ => {}
        }
    }
    let no_body = (100..200).contains(&status) || status == 204 || status == 304;
    let body = match (no_body, chunked, length) {
        (true, _, _) | (false, false, Some(0)) => Body::Complete,
        (false, true, _) => Body::Chunk(Chunked::Size(Vec::new())),
        (false, false, Some(length)) => Body::Length(length),
        (false, false, None) => Body::UntilClose,
    };
    if matches!(body, Body::UntilClose) {
        keep_alive = false;
    }
    let head = Head {
        status,
        is_event_stream: content_type.starts_with("text/event-stream"),
        content_type,
        coding: ContentCoding::of_header(&codings),
        location: location.filter(|_| (300..400).contains(&status)),
        date: date.and_then(|date| u64::try_from(date).ok()),
        keep_alive,
    };
    Ok((head, body))
}

/// Appends a header value to the list of codings. A body may have a content coding and a transfer coding, and repeated headers form
/// one list.
fn add_coding(codings: &mut String, value: &str) {
    let value = value.trim_end_matches([' ', ',']);
    if !codings.is_empty() && !value.is_empty() {
        codings.push_str(", ");
    }
    codings.push_str(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &[u8], step: usize) -> Result<(ResponseReader, Vec<u8>), HttpError> {
        let mut reader = ResponseReader::default();
        let mut body = Vec::new();
        for piece in stream.chunks(step) {
            reader.feed(piece, |_, part| body.extend_from_slice(part))?;
        }
        Ok((reader, body))
    }

    #[test]
    fn reads_each_framing_however_it_is_cut() {
        let cases: [(&str, &str, bool, bool); 5] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true, true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
                "hello",
                true,
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
                "hello",
                true,
                false,
            ),
            ("HTTP/1.1 200 OK\r\n\r\nhello", "hello", false, false),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "", true, true),
        ];
        for (stream, expected, complete, keep_alive) in cases {
            for step in [1, 2, 3, 7, 1000] {
                let (reader, body) = read(stream.as_bytes(), step).unwrap();
                assert_eq!(String::from_utf8(body).unwrap(), expected, "{stream:?} by {step}");
                assert_eq!(reader.is_complete(), complete, "{stream:?} by {step}");
                assert_eq!(reader.head().unwrap().keep_alive, keep_alive, "{stream:?} by {step}");
                assert!(reader.may_end_by_close());
            }
        }
    }

    #[test]
    fn an_incomplete_body_may_not_end_by_close() {
        let (reader, _) = read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel", 4).unwrap();
        assert!(!reader.is_complete() && !reader.may_end_by_close());
    }

    #[test]
    fn codings_and_redirects_are_read() {
        for (headers, coding, location) in [
            ("Content-Encoding: GZIP\r\n", ContentCoding::Gzip, None),
            ("Transfer-Encoding: gzip, chunked\r\n", ContentCoding::Gzip, None),
            (
                "Transfer-Encoding: chunked\r\nContent-Encoding: br\r\n",
                ContentCoding::Brotli,
                None,
            ),
            (
                "Content-Encoding: gzip\r\nContent-Encoding: zstd\r\n",
                ContentCoding::Other("gzip, zstd".to_owned()),
                None,
            ),
            ("Location: /V1/Other\r\n", ContentCoding::Identity, Some("/V1/Other".to_owned())),
        ] {
            let status = if location.is_some() { "307 Moved" } else { "200 OK" };
            let (reader, _) = read(format!("HTTP/1.1 {status}\r\n{headers}\r\n").as_bytes(), 7).unwrap();
            let head = reader.head().unwrap();
            assert_eq!((&head.coding, &head.location), (&coding, &location), "{headers}");
        }
    }

    #[test]
    fn what_never_ends_is_refused() {
        let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (beginning, repeated, expected) in [
            ("", early, HttpError::Informational),
            ("HTTP/1.1 200 OK\r\n", "A: b\r\n", HttpError::HeadTooLong),
            ("HTTP/1.1 200 OK\r\nA: ", "bbbbbbbbbbbb", HttpError::HeadTooLong),
            (chunked, "1;x=xxxxxxxxxxxxxxxxx", HttpError::Chunk),
            (&format!("{chunked}0\r\n"), "A: b\r\n", HttpError::Chunk),
            (&format!("{chunked}0\r\n"), "bbbbbbb", HttpError::Chunk),
        ] {
            let mut reader = ResponseReader::default();
            reader.feed(beginning.as_bytes(), |_, _| {}).unwrap();
            let found = (0..100_000).find_map(|_| reader.feed(repeated.as_bytes(), |_, _| {}).err());
            assert_eq!(found, Some(expected), "{beginning:?} {repeated:?}");
            // The same in one read.
            let whole = format!("{beginning}{}", repeated.repeat(100_000));
            assert!(read(whole.as_bytes(), usize::MAX).is_err(), "{beginning:?} {repeated:?}");
        }
    }

    #[test]
    fn refuses_what_is_not_http() {
        for (stream, message) in [
            ("SSH-2.0-OpenSSH\r\n", "starts with"),
            ("HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n", "content-length"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
                "content-length",
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunked"),
        ] {
            let error = read(stream.as_bytes(), 5).unwrap_err().to_string();
            assert!(error.contains(message), "{stream:?}: {error}");
        }
    }

    #[test]
    fn consumed_bytes_are_reported() {
        let mut reader = ResponseReader::default();
        let used = reader
            .feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokEXTRA", |_, _| {})
            .unwrap();
        assert_eq!(used, 40);
        assert!(reader.is_complete());
    }
}
