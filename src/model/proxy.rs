//! A proxy between a client and a server.

use super::Secret;

/// An HTTP proxy (RFC 9110, section 3.7). Requests with `http` are sent to it in absolute form, those with `https` through a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Value of `Proxy-Authorization`, if the proxy needs one.
    pub authorization: Option<Secret>,
}

impl Proxy {
    /// Its URL, without the password.
    #[must_use]
    pub fn url(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            format!("http://[{host}]:{port}")
        } else {
            format!("http://{host}:{port}")
        }
    }
}
