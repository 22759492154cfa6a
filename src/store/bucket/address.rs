//! Where a history in object storage is: a service, a bucket (Azure's word is container) and a prefix in it.

use std::fmt;
use std::str::FromStr;

use object_store::path::Path;
use url::Url;

/// A service that keeps objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Amazon S3, and what speaks its protocol.
    S3,
    GoogleCloud,
    Azure,
}

impl Service {
    const ALL: [Self; 3] = [Self::S3, Self::GoogleCloud, Self::Azure];

    fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::GoogleCloud => "gs",
            Self::Azure => "az",
        }
    }

    /// The variables that its credentials come from, for messages.
    pub(super) fn credentials(self) -> &'static str {
        match self {
            Self::S3 => {
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or a role of the machine; \
                 AWS_REGION, and AWS_ENDPOINT_URL for another server than Amazon's"
            }
            Self::GoogleCloud => "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT, or a role of the machine",
            Self::Azure => {
                "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, with AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID, or \
                 with a role of the machine"
            }
        }
    }
}

/// `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`. Endpoints, regions and credentials come from the variables of the
/// services' own tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketAddress {
    pub(super) service: Service,
    pub(super) bucket: String,
    prefix: String,
}

/// A text is not the address of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid address {0:?}, expected s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX; credentials and endpoints are taken from \
     the environment"
)]
pub(crate) struct BucketAddressError(String);

impl FromStr for BucketAddress {
    type Err = BucketAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or_else(|| BucketAddressError(without_credentials(text)))
    }
}

impl BucketAddress {
    /// Whether a text begins as the address of a bucket does.
    pub(crate) fn is_meant_by(text: &str) -> bool {
        Service::ALL
            .iter()
            .any(|service| text.strip_prefix(service.scheme()).is_some_and(|rest| rest.starts_with("://")))
    }

    /// A bucket of S3, as a variable names it.
    pub(crate) fn s3(bucket: &str, prefix: &str) -> Result<Self, BucketAddressError> {
        format!("s3://{bucket}/{prefix}").parse()
    }

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let service = Service::ALL.into_iter().find(|service| service.scheme() == url.scheme())?;
        let bucket = url.host_str()?;
        let is_bucket = (3..=63).contains(&bucket.len()) && bucket.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        // Parsing a URL resolves dots, so the prefix is taken as it was written.
        let written = text.split_once("://")?.1.split_once('/').map_or("", |(_, prefix)| prefix);
        let prefix = written.trim_end_matches('/');
        let is_prefix = prefix.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=+".contains(c)) && Path::parse(prefix).is_ok();
        (is_bucket && is_plain && is_prefix && url.port().is_none()).then(|| Self {
            service,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    /// The place of a file; of the prefix itself for an empty one.
    pub(super) fn path(&self, file: &str) -> Path {
        self.prefix
            .split('/')
            .chain(file.split('/'))
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// The address of a file, for messages.
    pub(super) fn place(&self, file: &str) -> String {
        let separator = if file.is_empty() { "" } else { "/" };
        format!("{self}{separator}{file}")
    }
}

/// A text for a message: what stands before an `@` may be a key.
fn without_credentials(text: &str) -> String {
    let shown = match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => text.to_owned(),
    };
    shown.chars().take(200).collect()
}

impl fmt::Display for BucketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, bucket, prefix } = self;
        let separator = if prefix.is_empty() { "" } else { "/" };
        write!(f, "{}://{bucket}{separator}{prefix}", service.scheme())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_shown() {
        for (text, shown) in [
            ("s3://bucket", "s3://bucket"),
            ("s3://team-bucket/bench/h100/", "s3://team-bucket/bench/h100"),
            ("gs://team_bucket/bench", "gs://team_bucket/bench"),
            ("az://container/bench", "az://container/bench"),
        ] {
            let address: BucketAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(shown.parse(), Ok(address));
            assert!(BucketAddress::is_meant_by(text));
        }
        let address: BucketAddress = "s3://bucket/a/b".parse().unwrap();
        assert_eq!(address.path("runs/x.parquet").to_string(), "a/b/runs/x.parquet");
        assert_eq!(address.place("x"), "s3://bucket/a/b/x");
        assert!(!BucketAddress::is_meant_by("s3"));
    }

    #[test]
    fn credentials_and_other_texts_are_refused_and_not_repeated() {
        for text in [
            "s3://",
            "s3://ab",
            "s3://key:hunter2@bucket/x",
            "s3://hunter2@bucket/x",
            "s3://bucket/x?versionId=1",
            "s3://bucket/a//b",
            "s3://bucket/a/../b",
            "s3://bucket/%2e%2e/x",
            "s3://bucket:99/x",
            "s3://bucket/a b",
            "https://bucket/x",
        ] {
            let error = text.parse::<BucketAddress>().unwrap_err().to_string();
            assert!(
                !error.contains("hunter2") && error.contains("expected s3://BUCKET/PREFIX"),
                "{error}"
            );
        }
    }
}
