//! The block `telemetry` of a profile: exporters for the GPUs of other nodes, at fixed URLs or at one URL per node that the scheduler
//! assigns.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ProfileError;

/// URL of an exporter: `http://host[:port][/path]`.
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

    /// The port; 9400, that of DCGM's exporter, if the URL has none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path; `/metrics` if the URL has none.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl TryFrom<String> for ScrapeUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let invalid = || format!("`{text}` is not the URL of an exporter; expected http://host:port/metrics");
        let rest = text.strip_prefix("http://").ok_or_else(invalid)?;
        let (authority, path) = rest.find('/').map_or((rest, "/metrics"), |at| rest.split_at(at));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| invalid())?),
            None => (authority, 9400),
        };
        let mut chars = host.chars().chain(path.chars());
        if host.is_empty() || !chars.all(|c| c.is_ascii_graphic() && !"@[]".contains(c)) {
            return Err(invalid());
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

/// Placeholder for a node's name.
const NODE: &str = "{node}";

/// Location of exporters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ExporterAddress {
    /// A fixed URL.
    Fixed(ScrapeUrl),
    /// One URL for each node of the job; `{node}` is replaced by its name.
    EachNode(String),
}

impl ExporterAddress {
    /// The URLs for a job on these nodes, each with its node if known.
    #[must_use]
    pub fn of_nodes(&self, nodes: &[String]) -> Vec<(ScrapeUrl, Option<String>)> {
        match self {
            Self::Fixed(url) => vec![(url.clone(), None)],
            Self::EachNode(template) => nodes
                .iter()
                .filter_map(|node| Some((ScrapeUrl::try_from(template.replace(NODE, node)).ok()?, Some(node.clone()))))
                .collect(),
        }
    }
}

impl TryFrom<String> for ExporterAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.contains(NODE) {
            return ScrapeUrl::try_from(text).map(Self::Fixed);
        }
        ScrapeUrl::try_from(text.replace(NODE, "node")).map(|_| Self::EachNode(text))
    }
}

impl From<ExporterAddress> for String {
    fn from(address: ExporterAddress) -> Self {
        match address {
            ExporterAddress::Fixed(url) => url.to_string(),
            ExporterAddress::EachNode(template) => template,
        }
    }
}

/// Exporters that sample the GPUs of other nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TelemetrySettings {
    /// DCGM exporters, one per node; if there are any, nothing else is sampled.
    pub dcgm: Vec<ExporterAddress>,
}

/// The block as parsed.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct TelemetryDocument {
    /// URLs of DCGM exporters; `{node}` stands for the name of each node of the job.
    pub dcgm: Option<Vec<String>>,
}

/// Inheritance, key by key.
pub(super) fn inherit_telemetry(base: TelemetryDocument, child: TelemetryDocument) -> TelemetryDocument {
    TelemetryDocument {
        dcgm: child.dcgm.or(base.dcgm),
    }
}

/// `has_nodes`: whether a scheduler assigns nodes to the launcher's jobs.
pub(super) fn telemetry_settings(name: &str, document: TelemetryDocument, has_nodes: bool) -> Result<TelemetrySettings, ProfileError> {
    let invalid = |found: String, expected| ProfileError::Value {
        name: name.to_owned(),
        key: "telemetry.dcgm",
        found,
        expected: Cow::Borrowed(expected),
    };
    let dcgm = document
        .dcgm
        .unwrap_or_default()
        .into_iter()
        .map(|text| match ExporterAddress::try_from(text.clone()) {
            Ok(ExporterAddress::EachNode(_)) if !has_nodes => Err(invalid(
                text,
                "a URL without `{node}`: the launcher has no scheduler that assigns nodes",
            )),
            Ok(address) => Ok(address),
            Err(_) => Err(invalid(text, "http://host:port/metrics")),
        })
        .collect::<Result<_, _>>()?;
    Ok(TelemetrySettings { dcgm })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_port_and_a_path() {
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

    #[test]
    fn url_may_have_a_node_placeholder() {
        let address = ExporterAddress::try_from("http://{node}-mgmt:9400/metrics".to_owned()).unwrap();
        let shown = |nodes: &[&str]| {
            let nodes: Vec<String> = nodes.iter().map(|node| (*node).to_owned()).collect();
            let list = address.of_nodes(&nodes).into_iter();
            list.map(|(url, node)| (url.to_string(), node.unwrap())).collect::<Vec<_>>()
        };
        let of = |node: &str| (format!("http://{node}-mgmt:9400/metrics"), node.to_owned());
        assert_eq!(shown(&["n1", "n2"]), [of("n1"), of("n2")]);
        assert_eq!(shown(&[]), []);
        assert!(ExporterAddress::try_from("https://{node}".to_owned()).is_err());
        let document = || TelemetryDocument {
            dcgm: Some(vec!["http://{node}".to_owned()]),
        };
        assert!(telemetry_settings("p", document(), true).is_ok());
        let error = telemetry_settings("p", document(), false).unwrap_err().to_string();
        assert!(
            error.ends_with("expected a URL without `{node}`: the launcher has no scheduler that assigns nodes"),
            "{error}"
        );
    }
}
