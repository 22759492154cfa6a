//! TLS for connections to engines: rustls with the system's certificates and, where one is given, a private authority's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::system::files;

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of certificates cannot be read.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// The file has no certificate, or a broken one.
    #[error("{}: {problem}, expected certificates in PEM", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Nothing is trusted.
    #[error("this system has no certificates that could be trusted ({0}); name the server's with --ca-cert")]
    NothingTrusted(String),
    /// The host cannot be in a certificate.
    #[error("{0:?} is not a host name that a certificate could name")]
    Host(String),
    /// The library refused.
    #[error("TLS cannot be used: {0}")]
    Library(#[from] rustls::Error),
}

/// Makes encrypted connections to servers that it trusts.
#[derive(Debug, Clone)]
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Trusts what the system trusts, and the authorities of a PEM file.
    ///
    /// # Errors
    /// [`TlsError`] where the file is wrong or nothing is trusted.
    pub fn new(ca_cert: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        if let Some(path) = ca_cert {
            add_file(&mut roots, path)?;
        }
        if roots.is_empty() {
            let problems: Vec<String> = native.errors.iter().map(ToString::to_string).collect();
            return Err(TlsError::NothingTrusted(problems.join("; ")));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// Its configuration, for an HTTP client.
    pub(crate) fn config(&self) -> ClientConfig {
        (*self.0).clone()
    }

    /// The client's side of a new connection to a host.
    ///
    /// # Errors
    /// [`TlsError`] where the host is no name that a certificate could have.
    pub fn connect(&self, host: &str) -> Result<ClientConnection, TlsError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Host(host.to_owned()))?;
        Ok(ClientConnection::new(self.0.clone(), name)?)
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let wrong = |problem: String| TlsError::Certificate {
        path: path.to_owned(),
        problem,
    };
    let bytes = files::read(path)?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(())
}
