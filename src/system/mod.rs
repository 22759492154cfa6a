//! The operating system and the network: processes, files, sockets, TLS, archives, retries, cancellation, redaction. This room is
//! independent of benchmarks.

pub mod archive;
pub mod cancellation;
pub(crate) mod environment;
pub mod files;
pub mod host;
pub mod http_client;
pub mod masked_gzip;
pub mod optional_files;
pub mod ports;
pub mod process;
pub mod proxy;
pub(crate) mod public_address;
pub mod redaction;
pub mod retry;
pub mod runtime;
pub mod tls;
pub mod tool;
pub mod untrusted;
