//! Clients of object storage, set up by the variables of the services' own tools.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::address::{BucketAddress, Service};
use crate::system::http_client::install_tls_provider;
use crate::system::public_address::is_this_machine;

/// The time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time for one request, the body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The time for a request with all its retries.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);
/// A server that is busy answers with 503 and is asked again; each pause is twice as long, from 0.1 s.
const RETRIES: usize = 4;

/// What a caller knows better than the environment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct S3Choices<'a> {
    pub region: Option<&'a str>,
    /// Without a signature, for a bucket that everybody may read.
    pub anonymous: bool,
}

/// A client; nothing is sent yet.
///
/// # Errors
/// The library's, for variables that have no meaning or are missing.
pub(super) fn connect(address: &BucketAddress, choices: S3Choices<'_>) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    install_tls_provider();
    Ok(match address.service {
        Service::S3 => {
            let mut builder = AmazonS3Builder::from_env()
                .with_client_options(options(
                    &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"],
                    "AWS_ALLOW_HTTP",
                ))
                .with_bucket_name(&address.bucket)
                .with_retry(retry());
            if let Some(region) = choices.region {
                builder = builder.with_region(region);
            }
            if choices.anonymous {
                builder = builder.with_skip_signature(true);
            }
            Arc::new(builder.build()?)
        }
        Service::GoogleCloud => {
            let builder = GoogleCloudStorageBuilder::from_env()
                .with_client_options(options(&["GOOGLE_BASE_URL"], "GOOGLE_ALLOW_HTTP"))
                .with_bucket_name(&address.bucket)
                .with_retry(retry());
            Arc::new(builder.build()?)
        }
        Service::Azure => {
            let builder = MicrosoftAzureBuilder::from_env()
                .with_client_options(options(&["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"], "AZURE_ALLOW_HTTP"))
                .with_container_name(&address.bucket)
                .with_retry(retry());
            Arc::new(builder.build()?)
        }
    })
}

fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: RETRIES,
        retry_timeout: RETRY_TIMEOUT,
    }
}

/// Plain HTTP reaches this machine only, unless a variable says otherwise: a request's signature does not hide what is measured.
fn options(endpoints: &[&str], allowed_by: &str) -> ClientOptions {
    let is_allowed = variable(allowed_by).is_some_and(|value| value == "true" || value == "1");
    let endpoint = endpoints.iter().find_map(|name| variable(name));
    ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT)
        .with_allow_http(is_allowed || endpoint.is_some_and(|endpoint| is_local(&endpoint)))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_local(endpoint: &str) -> bool {
    Url::parse(endpoint).is_ok_and(|url| is_this_machine(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:9000", true),
            ("http://localhost", true),
            ("http://[::1]:9000/", true),
            ("http://minio.example.org:9000", false),
            ("http://127.0.0.1.example.org", false),
            ("127.0.0.1:9000", false),
        ] {
            assert_eq!(is_local(endpoint), expected, "{endpoint}");
        }
    }
}
