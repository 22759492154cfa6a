//! The configuration file of `imax serve`, TOML. Its keys are the names of the flags; flags and environment variables win. A key that is not
//! known is an error: a misspelt bound would not be one.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::oidc::{GITHUB_ISSUER, OidcRule, OidcSettings};
use crate::system::files::{self, FileError};

/// What the file says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ServeConfig {
    pub history: Option<String>,
    pub listen: Option<SocketAddr>,
    pub public: Option<bool>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub cors_origin: Option<Vec<String>>,
    pub closed: Option<bool>,
    pub writes: Option<bool>,
    pub no_graphql: Option<bool>,
    pub behind_proxy: Option<bool>,
    pub metrics_filter: Option<Vec<String>>,
    pub metrics_branch: Option<String>,
    pub watches: Option<PathBuf>,
    pub settings: Option<PathBuf>,
    pub refresh: Option<NonZeroU32>,
    pub connections: Option<NonZeroUsize>,
    pub readers: Option<NonZeroUsize>,
    pub rate_limit: Option<u32>,
    pub token_rate_limit: Option<u32>,
    pub body_limit: Option<NonZeroUsize>,
    pub point_limit: Option<NonZeroUsize>,
    pub query_time: Option<NonZeroU32>,
    pub unread_time: Option<NonZeroU32>,
    pub oidc: Option<OidcConfig>,
}

/// Workflows of GitHub that write without a secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct OidcConfig {
    #[serde(default = "github")]
    issuer: String,
    audience: String,
    rules: Vec<OidcRule>,
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: not UTF-8", .0.display())]
    Encoding(PathBuf),
    #[error("{}:{line}:{column}: {message}", path.display())]
    Form {
        path: PathBuf,
        line: usize,
        column: usize,
        message: String,
    },
}

fn github() -> String {
    GITHUB_ISSUER.to_owned()
}

impl From<OidcConfig> for OidcSettings {
    fn from(config: OidcConfig) -> Self {
        let OidcConfig { issuer, audience, rules } = config;
        Self { issuer, audience, rules }
    }
}

impl ServeConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = String::from_utf8(files::read(path)?).map_err(|_| ConfigError::Encoding(path.to_owned()))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let (line, column) = place(text, error.span().map_or(0, |span| span.start));
            ConfigError::Form {
                path: path.to_owned(),
                line,
                column,
                message: error.message().to_owned(),
            }
        })
    }
}

/// Line and column of a byte, from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn unknown_key_and_wrong_value_are_errors_with_their_place() {
        for (text, words) in [
            (
                "listen = \"127.0.0.1:1\"\nratelimit = 5\n",
                "c.toml:2:1: unknown field `ratelimit`, expected one of `history`",
            ),
            ("rate-limit = -1", "c.toml:1:14: "),
            ("rate-limit = \"many\"", "c.toml:1:14: invalid type: string \"many\", expected u32"),
            ("connections = 0", "c.toml:1:15: "),
            ("public = true\npublic = false", "c.toml:2:1: duplicate key"),
            ("listen = \"everywhere\"", "c.toml:1:10: "),
            (
                "[oidc]\naudience = \"a\"\n[[oidc.rules]]\nrepositry = \"a/b\"",
                "c.toml:4:1: unknown field `repositry`",
            ),
            ("[oidc]\naudience = \"a\"\n[[oidc.rules]]\nrepository = \"a/[b\"", "c.toml:4:14: "),
            (
                "[oidc]\naudience = \"a\"\n[[oidc.rules]]\nrepository = \"a/b\"\nscopes = [\"all\"]",
                "c.toml:5:11: unknown variant `all`",
            ),
            ("[oidc]\naudience = \"a\"", "missing field `rules`"),
            ("x", "c.toml:1:"),
        ] {
            let error = ServeConfig::parse(Path::new("c.toml"), text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
