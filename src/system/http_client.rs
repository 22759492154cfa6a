//! The HTTP client for everything but GitHub's API: artifacts in a blob store, webhooks, engines, exporters. It follows no redirects:
//! callers that do must decide for each hop which headers to send.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use rustls::{ClientConfig, RootCertStore};

use crate::model::Proxy;
use crate::system::public_address::PublicResolver;
use crate::system::runtime::block_on;
use crate::system::tls::{TlsClient, TlsError};

/// Timeout of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of connecting to an engine, which is on this machine or in its network.
const ENGINE_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Read timeout.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest response that [`send`] reads, bytes: lists of models, metrics and single tokens are far shorter.
const LONGEST: usize = 4 << 20;

/// Creates a client; nothing is sent yet.
///
/// # Errors
/// If TLS cannot be set up.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    install_tls_provider();
    builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(SILENCE).build()
}

/// Makes ring the provider of clients that take the process's default, such as those of libraries. Calling it again changes nothing.
pub(crate) fn install_tls_provider() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error means that a provider is installed already, which is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

/// Creates a client that connects to addresses of the internet alone. It uses no proxy, which would resolve names by itself. Addresses in URLs are
/// not resolved, so the caller checks them by [`is_public`](super::public_address::is_public).
///
/// # Errors
/// If TLS cannot be set up.
pub(crate) fn public_http_client() -> Result<reqwest::Client, reqwest::Error> {
    install_tls_provider();
    let client = builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(SILENCE);
    client.no_proxy().dns_resolver(PublicResolver).build()
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("imax/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
}

/// A client for one request to an engine: HTTP/1.1, and only the proxy that the request names.
fn engine_client(question: &Question<'_>) -> Result<reqwest::Client, HttpError> {
    let config = match question.tls {
        Some(tls) => tls.config(),
        None => trusts_nothing()?,
    };
    let mut client = builder()
        .tls_backend_preconfigured(config)
        .connect_timeout(ENGINE_CONNECT_TIMEOUT)
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(0);
    if let Some(socket) = question.unix_socket {
        client = client.unix_socket(socket);
    }
    if let Some(proxy) = question.proxy {
        client = client.proxy(engine_proxy(proxy)?);
    }
    client.build().map_err(HttpError::from)
}

fn engine_proxy(proxy: &Proxy) -> Result<reqwest::Proxy, HttpError> {
    let through = reqwest::Proxy::all(proxy.url())?;
    let Some(authorization) = &proxy.authorization else {
        return Ok(through);
    };
    let value = HeaderValue::from_str(authorization.expose()).map_err(|error| HttpError::Transport(error.to_string()))?;
    Ok(through.custom_http_auth(value))
}

/// reqwest needs a TLS configuration even for plain HTTP; one without certificates avoids reading the system's.
fn trusts_nothing() -> Result<ClientConfig, HttpError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(TlsError::from)?;
    Ok(versions.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The caller cancelled the request.
    #[error("request cancelled")]
    Cancelled,
    /// The timeout has passed.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Late(Duration),
    /// Host and path do not form a valid URL.
    #[error("invalid URL {0}")]
    Url(String),
    /// The connection failed, or the response is not HTTP.
    #[error("{0}")]
    Transport(String),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The response is too long.
    #[error("response longer than {0} bytes")]
    TooLong(usize),
    /// The runtime cannot be built.
    #[error("cannot start the asynchronous runtime: {0}")]
    Runtime(io::Error),
}

impl From<reqwest::Error> for HttpError {
    /// The innermost cause, which is the system's or the library's error; the outer ones only state that a request failed.
    fn from(error: reqwest::Error) -> Self {
        let mut cause: &dyn Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Self::Transport(cause.to_string())
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// A request to an engine or an exporter.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Host name or address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Path, from its slash.
    pub path: &'a str,
    /// A JSON body makes it a POST.
    pub json: Option<&'a str>,
    /// Further headers; their values may be secret.
    pub headers: &'a [(&'a str, String)],
    /// TLS; `None` for plain HTTP.
    pub tls: Option<&'a TlsClient>,
    /// The Unix socket to connect to, instead of host and port.
    pub unix_socket: Option<&'a Path>,
    /// The proxy to go through.
    pub proxy: Option<&'a Proxy>,
}

impl<'a> Question<'a> {
    /// A GET request over plain HTTP without a proxy.
    #[must_use]
    pub fn get(host: &'a str, port: u16, path: &'a str) -> Self {
        Self {
            host,
            port,
            path,
            json: None,
            headers: &[],
            tls: None,
            unix_socket: None,
            proxy: None,
        }
    }
}

impl Question<'_> {
    fn url(&self) -> Result<reqwest::Url, HttpError> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let Self { host, port, path, .. } = self;
        // In a URL, an IPv6 address is enclosed in brackets (RFC 3986, section 3.2.2).
        let text = if host.contains(':') && !host.starts_with('[') {
            format!("{scheme}://[{host}]:{port}{path}")
        } else {
            format!("{scheme}://{host}:{port}{path}")
        };
        text.parse().map_err(|_| HttpError::Url(text))
    }
}

/// Sends a request on a new connection and reads the whole response, within the time `limit`. Dropping the future closes the
/// connection.
///
/// # Errors
/// See [`HttpError`].
pub async fn send(question: &Question<'_>, limit: Duration) -> Result<Answer, HttpError> {
    let answer = tokio::time::timeout(limit, exchange(question)).await;
    let answer = answer.unwrap_or(Err(HttpError::Late(limit)));
    let Question { host, port, path, .. } = question;
    match &answer {
        Ok(Answer { status, body }) => tracing::debug!(host, port, path, status, bytes = body.len(), "HTTP response"),
        Err(error) => tracing::debug!(host, port, path, %error, "no HTTP response"),
    }
    answer
}

/// [`send`] for synchronous code: blocks the thread until the response is complete or `cancelled` resolves.
///
/// # Errors
/// See [`HttpError`].
pub fn send_blocking<C>(question: &Question<'_>, limit: Duration, cancelled: impl Future<Output = C>) -> Result<Answer, HttpError> {
    let exchange = async {
        tokio::select! {
            biased;
            answer = send(question, limit) => answer,
            _ = cancelled => Err(HttpError::Cancelled),
        }
    };
    block_on(exchange).map_err(HttpError::Runtime)?
}

async fn exchange(question: &Question<'_>) -> Result<Answer, HttpError> {
    let client = engine_client(question)?;
    let url = question.url()?;
    let mut request = match question.json {
        None => client.get(url),
        Some(json) => client.post(url).header(CONTENT_TYPE, "application/json").body(json.to_owned()),
    };
    request = request.header(ACCEPT, "application/json");
    for (name, value) in question.headers {
        request = request.header(*name, value);
    }
    let mut response = request.send().await?;
    let BoundedBody { bytes, is_whole } = bounded_body(&mut response, LONGEST).await?;
    if !is_whole {
        return Err(HttpError::TooLong(LONGEST));
    }
    let status = response.status().as_u16();
    Ok(Answer { status, body: bytes })
}

/// A body that was read up to a bound.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BoundedBody {
    /// The whole body, or as much of its beginning as the bound allows.
    pub bytes: Vec<u8>,
    pub is_whole: bool,
}

/// Reads the body of a response, at most a number of bytes: what a server sends has no end that it must keep.
///
/// # Errors
/// Those of the connection.
pub(crate) async fn bounded_body(response: &mut reqwest::Response, most: usize) -> Result<BoundedBody, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = most - bytes.len();
        bytes.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if chunk.len() > room {
            return Ok(BoundedBody { bytes, is_whole: false });
        }
    }
    Ok(BoundedBody { bytes, is_whole: true })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;
    use crate::system::cancellation::{CancelCause, Cancellation};

    fn question(port: u16) -> Question<'static> {
        Question::get("127.0.0.1", port, "/x")
    }

    /// Serves one connection, in small pieces; its result is the request.
    fn serve(response: &'static [u8]) -> (u16, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            for bytes in response.chunks(7) {
                if stream.write_all(bytes).is_err() {
                    break;
                }
            }
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (port, server)
    }

    async fn response(response: &'static [u8]) -> Result<Answer, HttpError> {
        let (port, server) = serve(response);
        let answer = send(&question(port), Duration::from_secs(10)).await;
        server.join().unwrap();
        answer
    }

    #[tokio::test]
    async fn reads_bodies_of_every_framing() {
        for text in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nhello",
        ] {
            let answer = response(text).await.unwrap();
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]));
        }
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let answer = response(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(answer.unwrap().status, 302);
    }

    #[tokio::test]
    async fn truncated_responses_and_other_protocols_are_errors() {
        for text in [&b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"[..], b"SSH-2.0-x\r\n"] {
            let error = response(text).await.unwrap_err();
            assert!(matches!(error, HttpError::Transport(_)), "{error}");
        }
    }

    #[tokio::test]
    async fn sends_body_and_headers() {
        let (port, server) = serve(b"HTTP/1.1 204 No Content\r\n\r\n");
        let headers = [("x-key", "secret".to_owned())];
        let question = Question {
            json: Some("{}"),
            headers: &headers,
            ..question(port)
        };
        assert_eq!(send(&question, Duration::from_secs(10)).await.unwrap().status, 204);
        let request = server.join().unwrap();
        assert!(request.starts_with("POST /x HTTP/1.1\r\n"), "{request}");
        for line in ["x-key: secret\r\n", "content-type: application/json\r\n", "content-length: 2\r\n"] {
            assert!(request.contains(line), "{line} in {request}");
        }
    }

    #[tokio::test]
    async fn refused_connection_is_reported_with_the_system_error() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = send(&question(port), Duration::from_secs(10)).await.unwrap_err();
        assert_eq!(error.to_string(), "Connection refused (os error 111)");
    }

    #[test]
    fn blocking_request_ends_on_cancellation_and_on_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let question = question(listener.local_addr().unwrap().port());
        let cancellation = Cancellation::new();
        let late = send_blocking(&question, Duration::from_millis(120), cancellation.cancelled());
        assert!(matches!(late, Err(HttpError::Late(_))));
        cancellation.cancel(CancelCause::Abandoned);
        let cancelled = send_blocking(&question, Duration::from_secs(60), cancellation.cancelled());
        assert!(matches!(cancelled, Err(HttpError::Cancelled)));
    }

    #[test]
    fn ipv6_addresses_are_put_in_brackets() {
        let question = Question {
            host: "::1",
            ..question(8000)
        };
        assert_eq!(question.url().unwrap().as_str(), "http://[::1]:8000/x");
    }
}
