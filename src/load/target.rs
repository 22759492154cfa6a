//! The server under load: its address, protocol and transport.

use super::settings::SettingsError;

/// What is spoken with the server.
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
    /// [`SettingsError::Backend`] for a backend that speaks something else.
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

    /// The path it is usually served at.
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

    /// Whether a prompt may be sent as token ids.
    #[must_use]
    pub fn takes_token_ids(self) -> bool {
        match self {
            Self::Completions | Self::SglangGenerate => true,
            Self::ChatCompletions | Self::TritonGenerate => false,
        }
    }

    /// Whether the server sees the very text that was measured, without a template around it.
    #[must_use]
    pub fn sends_plain_text(self) -> bool {
        match self {
            Self::Completions | Self::SglangGenerate | Self::TritonGenerate => true,
            Self::ChatCompletions => false,
        }
    }
}

/// The server, and where on it requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Path of each request, from its `/`.
    pub path: String,
    /// Path below which the server is, without a `/` at its end; empty where that is its root.
    pub base_path: String,
    /// What is spoken there.
    pub protocol: Protocol,
}

impl Target {
    /// A target from a base URL such as `https://host:8000` and a path below it.
    ///
    /// # Errors
    /// [`SettingsError::BaseUrl`] where the URL is not `http[s]://host[:port][/path]`.
    pub fn from_base_url(base_url: &str, endpoint: &str, protocol: Protocol) -> Result<Self, SettingsError> {
        let wrong = |expected: &'static str| SettingsError::BaseUrl {
            url: base_url.to_owned(),
            expected,
        };
        let (tls, rest) = match (base_url.strip_prefix("http://"), base_url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(wrong("`http://host:port` or `https://host:port`")),
        };
        let (authority, prefix) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong("a port from 1 to 65535"))?),
            Some(_) | None => (authority, if tls { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
        if !is_plain(host) {
            return Err(wrong("a host name or address"));
        }
        let base_path = prefix.trim_end_matches('/').to_owned();
        let path = format!("{base_path}/{}", endpoint.trim_start_matches('/'));
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("a path of printable ASCII without spaces"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
            path,
            base_path,
            protocol,
        })
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
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn base_urls() {
        let target = |url: &str| Target::from_base_url(url, "/v1/completions", Protocol::Completions);
        for (url, expected) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/completions"),
            ("http://host", "http://host:80/v1/completions"),
            ("https://host", "https://host:443/v1/completions"),
            ("http://[::1]:81/proxy/", "http://[::1]:81/proxy/v1/completions"),
        ] {
            assert_eq!(target(url).unwrap().url(), expected);
        }
        for (url, message) in [
            ("ftp://host", "https://"),
            ("host:80", "http://"),
            ("http://host:99999", "port"),
            ("http://", "host name"),
            ("http://us er", "host name"),
        ] {
            let error = target(url).unwrap_err().to_string();
            assert!(error.contains(message), "{url}: {error}");
        }
    }
}
