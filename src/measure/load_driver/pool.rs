//! The connection pool of one client thread: opens connections, keeps idle ones, and closes those that were idle for too long. The
//! index of a connection in the pool is its token in the event queue.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mio::{Interest, Registry, Token};

use super::connection::{Assigned, Connection};
use super::secure::Secure;
use super::socket::Socket;
use super::tunnel::Tunnel;
use crate::system::tls::TlsClient;

/// Connections that were idle for longer are not reused: servers close theirs after some seconds (uvicorn after five), and a request
/// sent on a closing connection would be lost.
const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// The server of a run.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    /// Its addresses, or those of the proxy before it. The first one is used.
    pub addresses: &'a [SocketAddr],
    /// Its Unix socket, in place of addresses.
    pub unix_socket: Option<&'a Path>,
    /// The request that opens a tunnel to it, where a proxy stands before it.
    pub tunnel: Option<&'a [u8]>,
    /// URL of that proxy.
    pub proxy: Option<&'a str>,
    /// Its host name, checked against its certificate.
    pub host: &'a str,
    /// TLS client, if the server uses TLS.
    pub tls: Option<&'a TlsClient>,
    /// Longest time to connect.
    pub connect_timeout: Duration,
}

impl Server<'_> {
    fn connect(&self, request: Option<Assigned>) -> io::Result<Connection> {
        let socket = match (self.unix_socket, self.addresses.first()) {
            (Some(path), _) => Socket::connect_unix(path, self.connect_timeout)?,
            (None, Some(address)) => Socket::connect(*address)?,
            (None, None) => return Err(io::Error::other("the server has no address")),
        };
        let secure = match self.tls {
            None => None,
            Some(tls) => Some(Secure::new(tls.connect(self.host).map_err(io::Error::other)?)),
        };
        Ok(Connection::open(socket, self.tunnel.map(Tunnel::new), secure, request))
    }

    /// The connection error, with the proxy, socket path or addresses that were tried.
    #[must_use]
    pub fn explain(&self, error: &str) -> String {
        match (self.proxy, self.unix_socket, self.addresses) {
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

/// A thread's connections.
#[derive(Debug)]
pub struct Pool<'a> {
    /// The server.
    pub server: Server<'a>,
    registry: Registry,
    places: Vec<Option<Connection>>,
    /// Indices without a connection.
    free: Vec<usize>,
    /// Indices of idle connections, the most recently used last.
    idle: Vec<usize>,
    /// Whether the server honours keep-alive.
    server_keeps: bool,
    /// Number of connections opened.
    pub opened: u32,
    /// Maximum number of connections open at once.
    pub most_open: u32,
}

impl<'a> Pool<'a> {
    /// An empty pool.
    #[must_use]
    pub fn new(server: Server<'a>, registry: Registry) -> Self {
        Self {
            server,
            registry,
            places: Vec::new(),
            free: Vec::new(),
            idle: Vec::new(),
            server_keeps: true,
            opened: 0,
            most_open: 0,
        }
    }

    /// The connection at an index, if it is still open.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Connection> {
        self.places.get_mut(at)?.as_mut()
    }

    /// All connections.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.places.iter_mut().flatten()
    }

    /// Number of indices, with or without a connection.
    #[must_use]
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// Opens a connection; the request is sent after the handshake.
    ///
    /// # Errors
    /// The system error, such as too many open files.
    pub fn open(&mut self, request: Option<Assigned>) -> io::Result<()> {
        let mut connection = self.server.connect(request)?;
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.registry.register(&mut connection.socket, Token(at), interest) {
            self.free.push(at);
            return Err(error);
        }
        self.places[at] = Some(connection);
        self.opened += 1;
        let open = u32::try_from(self.places.len() - self.free.len()).unwrap_or(u32::MAX);
        self.most_open = self.most_open.max(open);
        Ok(())
    }

    /// Takes an idle connection that the server has probably not closed.
    pub fn take_idle(&mut self) -> Option<usize> {
        while let Some(at) = self.idle.pop() {
            let is_fresh = self.places[at]
                .as_ref()
                .is_some_and(|connection| connection.is_idle() && connection.last_progress.elapsed() < IDLE_LIMIT);
            if is_fresh {
                return Some(at);
            }
            self.close(at);
        }
        None
    }

    /// Keeps a connection for a later request.
    pub fn put_idle(&mut self, at: usize) {
        if self.server_keeps {
            self.idle.push(at);
        } else {
            self.close(at);
        }
    }

    /// Records that the server closes kept connections. From then on each request gets a new connection, so that a connection closed
    /// without a response is a failed request and is not retried.
    pub fn keep_none(&mut self) {
        self.server_keeps = false;
    }

    /// Closes an idle connection that the server has closed.
    pub fn close_idle(&mut self, at: usize) {
        self.idle.retain(|idle| *idle != at);
        self.close(at);
    }

    /// Closes a connection that is not idle.
    pub fn close(&mut self, at: usize) {
        if let Some(mut connection) = self.places.get_mut(at).and_then(Option::take) {
            let _ = self.registry.deregister(&mut connection.socket);
            self.free.push(at);
        }
    }
}
