//! Why a request failed. Each reason has a stable code that results and tools can rely on; the detail text is for people and
//! may change.

use std::fmt;
use std::io::ErrorKind;

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The connection was refused: nothing listens at the address.
    ConnectionRefused,
    /// No connection within the deadline.
    ConnectTimeout,
    /// The connection could not be opened for another reason.
    ConnectFailed,
    /// The TLS handshake or stream failed, for example because the certificate is not trusted.
    TlsFailed,
    /// The connection broke during the request or the response.
    ConnectionLost,
    /// The server closed the connection before the response was complete.
    ClosedEarly,
    /// No byte arrived for longer than the deadline.
    NoProgress,
    /// The response was not complete within the time for a whole request.
    RequestTimeout,
    /// The HTTP status is not 2xx.
    Status(u16),
    /// The response is not valid HTTP.
    MalformedResponse,
    /// The response is not of the requested kind, for example a web page instead of a stream.
    UnexpectedContent,
    /// An event of the stream is not valid JSON of the protocol.
    MalformedEvent,
    /// The server reported an error inside the stream.
    ServerError,
    /// The response was complete but had no tokens.
    NoTokens,
    /// The model ended its answer before any text.
    EmptyAnswer,
    /// The run was stopped before the request ended.
    Cancelled,
}

impl Reason {
    /// The reason for an I/O error of a connection attempt.
    #[must_use]
    pub fn of_connecting(error: ErrorKind) -> Self {
        if error == ErrorKind::ConnectionRefused {
            Self::ConnectionRefused
        } else if error == ErrorKind::TimedOut {
            Self::ConnectTimeout
        } else {
            Self::ConnectFailed
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(self) -> String {
        match self {
            Self::ConnectionRefused => "connection_refused".to_owned(),
            Self::ConnectTimeout => "connect_timeout".to_owned(),
            Self::ConnectFailed => "connect_failed".to_owned(),
            Self::TlsFailed => "tls_failed".to_owned(),
            Self::ConnectionLost => "connection_lost".to_owned(),
            Self::ClosedEarly => "closed_early".to_owned(),
            Self::NoProgress => "no_progress".to_owned(),
            Self::RequestTimeout => "request_timeout".to_owned(),
            Self::Status(status) => format!("http_{status}"),
            Self::MalformedResponse => "malformed_response".to_owned(),
            Self::UnexpectedContent => "unexpected_content".to_owned(),
            Self::MalformedEvent => "malformed_event".to_owned(),
            Self::ServerError => "server_error".to_owned(),
            Self::NoTokens => "no_tokens".to_owned(),
            Self::EmptyAnswer => "empty_answer".to_owned(),
            Self::Cancelled => "cancelled".to_owned(),
        }
    }

    /// The reason with this stable code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        let named = [
            Self::ConnectionRefused,
            Self::ConnectTimeout,
            Self::ConnectFailed,
            Self::TlsFailed,
            Self::ConnectionLost,
            Self::ClosedEarly,
            Self::NoProgress,
            Self::RequestTimeout,
            Self::MalformedResponse,
            Self::UnexpectedContent,
            Self::MalformedEvent,
            Self::ServerError,
            Self::NoTokens,
            Self::EmptyAnswer,
            Self::Cancelled,
        ];
        named
            .into_iter()
            .find(|reason| reason.code() == code)
            .or_else(|| Self::of_status_code(code))
    }

    fn of_status_code(code: &str) -> Option<Self> {
        code.strip_prefix("http_")?.parse().ok().map(Self::Status)
    }

    /// Whether the connection could not be opened or broke, as when the server process has exited.
    #[must_use]
    pub fn is_of_the_connection(self) -> bool {
        match self {
            Self::ConnectionRefused | Self::ConnectTimeout | Self::ConnectFailed | Self::ConnectionLost | Self::ClosedEarly => true,
            Self::TlsFailed
            | Self::NoProgress
            | Self::RequestTimeout
            | Self::Status(_)
            | Self::MalformedResponse
            | Self::UnexpectedContent
            | Self::MalformedEvent
            | Self::ServerError
            | Self::NoTokens
            | Self::EmptyAnswer
            | Self::Cancelled => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

/// A reason with a detail text, which is shortened and free of control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason.
    pub reason: Reason,
    /// What was observed; may contain part of the server's response.
    pub detail: String,
    /// The `Location` of a redirect, as the server sent it.
    pub location: Option<Box<str>>,
}

/// Longest detail, characters. Longer ones are cut, because thousands of requests may fail with the same long page.
const DETAIL_LIMIT: usize = 240;

impl Failure {
    /// A failure. The detail is cut to 240 characters, and control characters become spaces.
    #[must_use]
    pub fn new(reason: Reason, detail: &str) -> Self {
        let limited = detail.trim().chars().take(DETAIL_LIMIT);
        let mut text: String = limited.map(|c| if c.is_control() { ' ' } else { c }).collect();
        if detail.trim().chars().nth(DETAIL_LIMIT).is_some() {
            text.push('…');
        }
        Self {
            reason,
            detail: text,
            location: None,
        }
    }

    /// The same failure, a redirect to `location`.
    #[must_use]
    pub fn with_location(self, location: &str) -> Self {
        Self {
            location: Some(location.into()),
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            write!(f, "{}", self.reason)
        } else {
            write!(f, "{}: {}", self.reason, self.detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_short_and_printable() {
        let failure = Failure::new(Reason::Status(502), &format!("bad\u{1b}[31m\n{}", "x".repeat(5000)));
        assert_eq!(failure.reason.code(), "http_502");
        assert!(failure.detail.chars().count() <= DETAIL_LIMIT + 1 && !failure.detail.contains('\u{1b}'));
    }
}
