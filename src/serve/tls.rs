//! TLS of the server itself, for where no proxy is in front: a certificate and a key in files, TLS 1.2 and 1.3.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::system::files::{self, FileError};

/// The files of a certificate with its chain, and of its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFileError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: {problem}; expected {expected}", path.display())]
    Form {
        path: PathBuf,
        problem: String,
        expected: &'static str,
    },
    #[error("{} and {} cannot be used: {source}", certificate.display(), key.display())]
    Unfit {
        certificate: PathBuf,
        key: PathBuf,
        source: rustls::Error,
    },
}

/// What answers the handshakes of clients. The files are read once: a new certificate needs a restart, which ends no answer in progress.
///
/// # Errors
/// [`TlsFileError`].
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsFileError> {
    let TlsFiles { certificate, key } = files;
    let unfit = |source| TlsFileError::Unfit {
        certificate: certificate.clone(),
        key: key.clone(),
        source,
    };
    let chain = chain(certificate)?;
    let secret = PrivateKeyDer::from_pem_slice(&files::read(key)?).map_err(|error| TlsFileError::Form {
        path: key.clone(),
        problem: error.to_string(),
        expected: "a private key in PEM",
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, secret);
    let mut config = config.map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let invalid = |problem: String| TlsFileError::Form {
        path: path.to_owned(),
        problem,
        expected: "certificates in PEM, the server's first",
    };
    let bytes = files::read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| invalid(error.to_string()))?;
    if found.is_empty() {
        return Err(invalid("no certificate found".to_owned()));
    }
    Ok(found)
}
