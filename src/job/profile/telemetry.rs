//! The block `telemetry` of a profile: where GPUs of other nodes are sampled.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ProfileError;

/// The address of an exporter: `http://host[:port][/path]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScrapeUrl {
    host: String,
    port: u16,
    path: String,
}

impl ScrapeUrl {
    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 9400, that of DCGM's exporter, where the address has none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path; `/metrics` where the address has none.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl TryFrom<String> for ScrapeUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an address of an exporter; expected http://host:port/metrics");
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let (authority, path) = rest.find('/').map_or((rest, "/metrics"), |at| rest.split_at(at));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (authority, 9400),
        };
        let plain = |c: char| c.is_ascii_graphic() && !"@[]".contains(c);
        if host.is_empty() || !host.chars().all(plain) || !path.chars().all(plain) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }
}

impl From<ScrapeUrl> for String {
    fn from(url: ScrapeUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for ScrapeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.path)
    }
}

/// Where GPUs of other nodes are sampled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TelemetrySettings {
    /// Exporters of DCGM, one a node; where there are any, nothing else is sampled.
    pub dcgm: Vec<ScrapeUrl>,
}

/// The block as its file has it.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct TelemetryDocument {
    pub dcgm: Option<Vec<String>>,
}

/// `child` over `base`, key by key.
pub(super) fn inherit_telemetry(base: TelemetryDocument, child: TelemetryDocument) -> TelemetryDocument {
    TelemetryDocument {
        dcgm: child.dcgm.or(base.dcgm),
    }
}

pub(super) fn telemetry_settings(name: &str, document: TelemetryDocument) -> Result<TelemetrySettings, ProfileError> {
    let url = |text: String| {
        ScrapeUrl::try_from(text.clone()).map_err(|_| ProfileError::Value {
            name: name.to_owned(),
            key: "telemetry.dcgm",
            found: text,
            expected: "http://host:port/metrics",
        })
    };
    let dcgm = document.dcgm.unwrap_or_default().into_iter().map(url).collect::<Result<_, _>>()?;
    Ok(TelemetrySettings { dcgm })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_and_a_path() {
        for (text, shown) in [
            ("http://n1:9400/metrics", Some("http://n1:9400/metrics")),
            ("http://n1", Some("http://n1:9400/metrics")),
            ("http://10.0.0.1:80/x?y", Some("http://10.0.0.1:80/x?y")),
            ("https://n1/metrics", None),
            ("http://:9400", None),
            ("http://n1:x/", None),
            ("http://user@n1", None),
            ("http://n1/a b", None),
        ] {
            let url = ScrapeUrl::try_from(text.to_owned());
            assert_eq!(url.ok().map(|url| url.to_string()).as_deref(), shown, "{text}");
        }
    }
}
