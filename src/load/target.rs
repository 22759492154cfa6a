//! The server under load: address, protocol and transport.

use std::path::PathBuf;

use url::Url;

use super::settings::SettingsError;
use crate::model::Proxy;

/// API of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `/v1/completions` of the OpenAI API.
    Completions,
    /// `/v1/chat/completions` of the OpenAI API.
    ChatCompletions,
    /// SGLang's own `/generate` (<https://docs.sglang.ai/basic_usage/native_api.html>).
    SglangGenerate,
    /// Triton's `generate` extension with the names of the TensorRT-LLM backend
    /// (<https://github.com/triton-inference-server/tensorrtllm_backend>).
    TritonGenerate,
}

impl Protocol {
    /// The protocol of a backend name of benchmark_serving.py, `vllm bench serve` or SGLang's bench_serving.
    ///
    /// # Errors
    /// [`SettingsError::Backend`] for a backend with another protocol.
    pub fn of_backend(backend: &str) -> Result<Self, SettingsError> {
        match backend {
            "vllm" | "openai" | "lmdeploy" | "scalellm" | "sglang" | "sglang-oai" | "llama.cpp" | "trtllm-serve" | "completions" => {
                Ok(Self::Completions)
            }
            "openai-chat" | "vllm-chat" | "sglang-oai-chat" | "chat" => Ok(Self::ChatCompletions),
            "sglang-native" => Ok(Self::SglangGenerate),
            "tensorrt-llm" => Ok(Self::TritonGenerate),
            other => Err(SettingsError::Backend(other.to_owned())),
        }
    }

    /// Default path of requests.
    #[must_use]
    pub fn default_endpoint(self, stream: bool) -> &'static str {
        match (self, stream) {
            (Self::Completions, _) => "/v1/completions",
            (Self::ChatCompletions, _) => "/v1/chat/completions",
            (Self::SglangGenerate, _) => "/generate",
            (Self::TritonGenerate, true) => "/v2/models/ensemble/generate_stream",
            (Self::TritonGenerate, false) => "/v2/models/ensemble/generate",
        }
    }

    /// Default path of the health check.
    #[must_use]
    pub fn default_health_path(self) -> &'static str {
        match self {
            Self::Completions | Self::ChatCompletions | Self::SglangGenerate => "/health",
            Self::TritonGenerate => "/v2/health/ready",
        }
    }

    /// Whether it is one of the OpenAI APIs.
    #[must_use]
    pub fn is_openai(self) -> bool {
        match self {
            Self::Completions | Self::ChatCompletions => true,
            Self::SglangGenerate | Self::TritonGenerate => false,
        }
    }

    /// Whether prompts can be sent as token ids.
    #[must_use]
    pub fn takes_token_ids(self) -> bool {
        match self {
            Self::Completions | Self::SglangGenerate => true,
            Self::ChatCompletions | Self::TritonGenerate => false,
        }
    }

    /// Whether the server uses the prompt as it is, without a chat template.
    #[must_use]
    pub fn sends_plain_text(self) -> bool {
        match self {
            Self::Completions | Self::SglangGenerate | Self::TritonGenerate => true,
            Self::ChatCompletions => false,
        }
    }
}

/// A server and the path of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Unix socket of the server instead of a TCP port. Host and port are then only used in the `Host` header.
    pub unix_socket: Option<PathBuf>,
    /// Proxy through which the server is reached.
    pub proxy: Option<Proxy>,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Path of each request, starting with `/`.
    pub path: String,
    /// Path prefix of the server without a trailing `/`; empty for the root.
    pub base_path: String,
    /// API of the requests.
    pub protocol: Protocol,
}

impl Target {
    /// A target from a base URL such as `https://host:8000` or `unix:/path/of/a/socket`, and an endpoint. The base URL may end in `/v1`, as
    /// in clients of the OpenAI API, or in the whole endpoint; neither is then appended again.
    ///
    /// # Errors
    /// [`SettingsError::BaseUrl`] if the URL has none of these forms.
    pub fn from_base_url(base_url: &str, endpoint: &str, protocol: Protocol) -> Result<Self, SettingsError> {
        let endpoint = format!("/{}", endpoint.trim_start_matches('/'));
        let address = Address::of_url(base_url)?;
        let (prefix, query) = address.path.split_once('?').unwrap_or((address.path, ""));
        let (base_path, mut path) = join(prefix.trim_end_matches('/'), &endpoint);
        if !query.is_empty() {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(query);
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong(base_url, "a path of printable ASCII without spaces"));
        }
        Ok(Self {
            unix_socket: address.unix_socket,
            proxy: None,
            host: address.host.to_owned(),
            port: address.port,
            tls: address.tls,
            path,
            base_path,
            protocol,
        })
    }

    /// The same server with the path of a redirect.
    ///
    /// # Errors
    /// Why the redirect is not followed. Only redirects to the same origin are: API key and prompts must not reach another server.
    pub fn redirected(&self, location: &str) -> Result<Self, String> {
        let scheme = if self.tls { "https" } else { "http" };
        let base = format!("{scheme}://{}{}", self.authority(), self.path);
        let base = Url::parse(&base).map_err(|error| error.to_string())?;
        let to = base.join(location).map_err(|error| format!("which is not a URL: {error}"))?;
        if to.origin() != base.origin() {
            return Err("which is another server; set --base-url to it".to_owned());
        }
        let query = to.query().map_or_else(String::new, |query| format!("?{query}"));
        let path = format!("{}{query}", to.path());
        if path == self.path {
            return Err("which is where the request went".to_owned());
        }
        Ok(Self { path, ..self.clone() })
    }

    /// The same server with another protocol at its default path.
    #[must_use]
    pub fn with_protocol(&self, protocol: Protocol, stream: bool) -> Self {
        let query = self.path.split_once('?').map_or_else(String::new, |(_, query)| format!("?{query}"));
        Self {
            path: format!("{}{}{query}", self.base_path, protocol.default_endpoint(stream)),
            protocol,
            ..self.clone()
        }
    }

    /// `host:port`, with brackets around an IPv6 address.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The URL that requests go to.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of(&self.path)
    }

    /// The request target of the request line (RFC 9112, 3.2): the path, or the whole URL for a forwarding proxy.
    #[must_use]
    pub fn request_target(&self) -> String {
        match self.proxy {
            Some(_) if !self.tls => self.url(),
            Some(_) | None => self.path.clone(),
        }
    }

    /// The URL below which the server is, as it is given with `--base-url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        match &self.unix_socket {
            Some(socket) => format!("unix:{}", socket.display()),
            None => self.url_of(&self.base_path),
        }
    }

    /// The URL of another path of the server. A socket is written in the syntax of nginx.
    #[must_use]
    pub fn url_of(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        match &self.unix_socket {
            Some(socket) => format!("{scheme}://unix:{}:{path}", socket.display()),
            None => format!("{scheme}://{}{path}", self.authority()),
        }
    }
}

fn wrong(url: &str, expected: &'static str) -> SettingsError {
    SettingsError::BaseUrl {
        url: url.to_owned(),
        expected,
    }
}

/// Parts of a base URL.
struct Address<'a> {
    unix_socket: Option<PathBuf>,
    host: &'a str,
    port: u16,
    tls: bool,
    /// Path and query.
    path: &'a str,
}

impl<'a> Address<'a> {
    fn of_url(url: &'a str) -> Result<Self, SettingsError> {
        if let Some(socket) = url.strip_prefix("unix:") {
            // `unix:///path` is a URL without an authority.
            let socket = socket.strip_prefix("//").unwrap_or(socket);
            if !socket.starts_with('/') {
                return Err(wrong(url, "the absolute path of a socket, such as unix:/run/engine.sock"));
            }
            return Ok(Self {
                unix_socket: Some(socket.into()),
                host: "localhost",
                port: 80,
                tls: false,
                path: "",
            });
        }
        let (tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => {
                return Err(wrong(url, "`http://host:port`, `https://host:port` or `unix:/path/of/a/socket`"));
            }
        };
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong(url, "a port from 1 to 65535"))?),
            Some(_) | None => (authority, if tls { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@') {
            return Err(wrong(url, "a host name or address"));
        }
        Ok(Self {
            unix_socket: None,
            host,
            port,
            tls,
            path,
        })
    }
}

/// API version at the end of many base URLs.
const VERSION: &str = "/v1";

/// The path prefix of a server, and the path of requests to an endpoint.
fn join(prefix: &str, endpoint: &str) -> (String, String) {
    if let Some(base) = prefix.strip_suffix(endpoint) {
        return (base.to_owned(), prefix.to_owned());
    }
    let Some(base) = prefix.strip_suffix(VERSION) else {
        return (prefix.to_owned(), format!("{prefix}{endpoint}"));
    };
    let is_versioned = endpoint.strip_prefix(VERSION).is_some_and(|rest| rest.starts_with('/'));
    let before = if is_versioned { base } else { prefix };
    (base.to_owned(), format!("{before}{endpoint}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn base_urls() {
        let target = |url: &str| Target::from_base_url(url, "/v1/completions", Protocol::Completions);
        for (url, expected, base) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/completions", ""),
            ("http://host", "http://host:80/v1/completions", ""),
            ("https://host", "https://host:443/v1/completions", ""),
            ("http://[::1]:81/proxy/", "http://[::1]:81/proxy/v1/completions", "/proxy"),
            ("http://host/v1", "http://host:80/v1/completions", ""),
            ("http://host/openai/v1/", "http://host:80/openai/v1/completions", "/openai"),
            ("http://host/v1/completions", "http://host:80/v1/completions", ""),
            ("http://host/x?a=b", "http://host:80/x/v1/completions?a=b", "/x"),
            ("unix:/run/engine.sock", "http://unix:/run/engine.sock:/v1/completions", ""),
            ("unix:///run/engine.sock", "http://unix:/run/engine.sock:/v1/completions", ""),
        ] {
            let target = target(url).unwrap();
            assert_eq!((target.url().as_str(), target.base_path.as_str()), (expected, base), "{url}");
        }
        let other = Target::from_base_url("http://host/v1", "/chat/completions", Protocol::ChatCompletions).unwrap();
        assert_eq!((other.path.as_str(), other.base_path.as_str()), ("/v1/chat/completions", ""));
        for (url, message) in [
            ("ftp://host", "https://"),
            ("host:80", "http://"),
            ("http://host:99999", "port"),
            ("http://", "host name"),
            ("http://us er", "host name"),
            ("unix:engine.sock", "absolute path"),
        ] {
            let error = target(url).unwrap_err().to_string();
            assert!(error.contains(message), "{url}: {error}");
        }
    }

    #[test]
    fn protocols_change_the_path_alone() {
        for (url, expected) in [
            ("http://host", "http://host:80/v1/chat/completions"),
            ("http://host/openai/v1/", "http://host:80/openai/v1/chat/completions"),
            ("http://host/x?a=b", "http://host:80/x/v1/chat/completions?a=b"),
        ] {
            let target = Target::from_base_url(url, "/v1/completions", Protocol::Completions).unwrap();
            let chat = target.with_protocol(Protocol::ChatCompletions, true);
            assert_eq!((chat.url().as_str(), chat.protocol), (expected, Protocol::ChatCompletions), "{url}");
        }
    }

    #[test]
    fn redirects_are_followed_on_the_same_origin_alone() {
        let target = Target::from_base_url("http://host:8000", "/v1/completions", Protocol::Completions).unwrap();
        for (location, expected) in [
            ("/v1/completions/", Ok("/v1/completions/")),
            ("other?x=1", Ok("/v1/other?x=1")),
            ("http://host:8000/a", Ok("/a")),
            ("https://host:8000/v1/completions", Err("another server")),
            ("http://host:8001/v1/completions", Err("another server")),
            ("//evil/v1/completions", Err("another server")),
            ("/v1/completions", Err("where the request went")),
            ("http://[", Err("not a URL")),
        ] {
            match (target.redirected(location), expected) {
                (Ok(found), Ok(path)) => assert_eq!(found.path, path, "{location}"),
                (Err(found), Err(words)) => assert!(found.contains(words), "{location}: {found}"),
                (found, expected) => panic!("{location}: {found:?}, expected {expected:?}"),
            }
        }
    }
}
