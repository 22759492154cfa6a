//! A server of a run: where it is, and what every connection and request to it begins with.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::DriverError;
use super::addresses;
use super::connection::{Assigned, Connection};
use super::secure::Secure;
use super::socket::Socket;
use super::tunnel::{self, Tunnel};
use crate::load::{Target, request};
use crate::model::Proxy;
use crate::system::tls::TlsClient;

/// A server of a run.
#[derive(Debug)]
pub struct Server<'a> {
    /// Its addresses, or those of the proxy before it. The first one is used.
    addresses: Vec<SocketAddr>,
    /// Its Unix socket, in place of addresses.
    unix_socket: Option<&'a Path>,
    /// The request that opens a tunnel to it, where a proxy stands before it.
    tunnel: Option<Vec<u8>>,
    /// URL of that proxy.
    proxy: Option<String>,
    /// Its host name, checked against its certificate.
    host: &'a str,
    /// TLS client, if the server uses TLS.
    tls: Option<&'a TlsClient>,
    /// Longest time to connect.
    connect_timeout: Duration,
    /// The first lines of each request.
    opening: Box<[u8]>,
    /// Its URL.
    pub url: String,
}

impl<'a> Server<'a> {
    /// Resolves the name of a server.
    ///
    /// # Errors
    /// [`DriverError::Resolve`].
    pub fn resolve(target: &'a Target, tls: Option<&'a TlsClient>, connect_timeout: Duration) -> Result<Self, DriverError> {
        let proxy = target.proxy.as_ref();
        Ok(Self {
            addresses: addresses(target, connect_timeout)?,
            unix_socket: target.unix_socket.as_deref(),
            tunnel: proxy
                .filter(|_| target.tls)
                .map(|proxy| tunnel::request(proxy, &target.authority())),
            proxy: proxy.map(Proxy::url),
            host: &target.host,
            tls: tls.filter(|_| target.tls),
            connect_timeout,
            opening: request::opening(target),
            url: target.base_url(),
        })
    }

    /// Whether its connections are encrypted.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The first lines of each request to it.
    #[must_use]
    pub fn opening(&self) -> &[u8] {
        &self.opening
    }

    /// Starts to connect. `number` is its own in the run.
    ///
    /// # Errors
    /// The system error, such as too many open files.
    pub fn connect(&self, number: usize, request: Option<Assigned>) -> io::Result<Connection> {
        let socket = match (self.unix_socket, self.addresses.first()) {
            (Some(path), _) => Socket::connect_unix(path, self.connect_timeout)?,
            (None, Some(address)) => Socket::connect(*address)?,
            (None, None) => return Err(io::Error::other("the server has no address")),
        };
        let secure = match self.tls {
            None => None,
            Some(tls) => Some(Secure::new(tls.connect(self.host).map_err(io::Error::other)?)),
        };
        Ok(Connection::open(
            socket,
            self.tunnel.as_deref().map(Tunnel::new),
            secure,
            number,
            request,
        ))
    }

    /// The connection error, with the proxy, socket path or addresses that were tried.
    #[must_use]
    pub fn explain(&self, error: &str) -> String {
        match (&self.proxy, self.unix_socket, self.addresses.as_slice()) {
            (Some(proxy), _, _) => format!("through the proxy {proxy}: {error}"),
            (None, Some(path), _) => format!("{}: {error}", path.display()),
            (None, None, [first, _, ..]) => {
                format!(
                    "{first}: {error}; none of the {} addresses of {} accepts connections",
                    self.addresses.len(),
                    self.host
                )
            }
            (None, None, _) => error.to_owned(),
        }
    }
}

/// The addresses to connect to, the one that accepts connections first.
fn addresses(target: &Target, limit: Duration) -> Result<Vec<SocketAddr>, DriverError> {
    if target.unix_socket.is_some() {
        return Ok(Vec::new());
    }
    let (host, port, origin) = match &target.proxy {
        Some(proxy) => (
            &proxy.host,
            proxy.port,
            "the proxy's name in the environment (HTTP_PROXY, HTTPS_PROXY)",
        ),
        None => (&target.host, target.port, "--host or --base-url"),
    };
    let found = addresses::resolve(host, port, limit).map_err(|source| DriverError::Resolve {
        authority: format!("{host}:{port}"),
        origin,
        source,
    })?;
    Ok(addresses::reachable_first(found, limit))
}
