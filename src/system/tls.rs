//! TLS for connections to engines: rustls with the system's root certificates and optionally those of a private authority.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::system::files;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    File(#[from] files::FileError),
    /// The file has no certificate, or an invalid one.
    #[error("{}: {problem}; expected PEM certificates", path.display())]
    Certificate { path: PathBuf, problem: String },
    /// There are no root certificates.
    #[error("no root certificates on this system ({0}); pass the server's with --ca-cert")]
    NoRoots(String),
    #[error("invalid TLS server name {0:?}")]
    Host(String),
    #[error("cannot set up TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// Opens TLS connections to servers with a trusted certificate.
#[derive(Debug, Clone)]
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Trusts the system's root certificates and those of a PEM file.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn new(ca_cert: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        if let Some(path) = ca_cert {
            add_file(&mut roots, path)?;
        }
        if roots.is_empty() {
            let problems: Vec<String> = native.errors.iter().map(ToString::to_string).collect();
            return Err(TlsError::NoRoots(problems.join("; ")));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// The configuration, for an HTTP client.
    pub(crate) fn config(&self) -> ClientConfig {
        (*self.0).clone()
    }

    /// The client side of a new connection to a host.
    ///
    /// # Errors
    /// [`TlsError::Host`] if the host is not a valid server name.
    pub fn connect(&self, host: &str) -> Result<ClientConnection, TlsError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Host(host.to_owned()))?;
        Ok(ClientConnection::new(self.0.clone(), name)?)
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let invalid = |problem: String| TlsError::Certificate {
        path: path.to_owned(),
        problem,
    };
    let bytes = files::read(path)?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
        roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
        count += 1;
    }
    if count == 0 {
        return Err(invalid("no certificate found".to_owned()));
    }
    Ok(())
}
