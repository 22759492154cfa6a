//! The connections of one client thread: opened, kept while nothing is sent on them, and closed when they are too old. The event
//! queue knows each by its place here.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Interest, Registry, Token};

use super::connection::{Assigned, Connection};
use super::secure::Secure;
use crate::system::tls::TlsClient;

/// Idle connections older than this are not used again: servers close theirs after some seconds (uvicorn after five), and a
/// request sent into a closing connection would be lost.
const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// The server that all connections of a run go to.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    /// Where it is.
    pub addresses: &'a [SocketAddr],
    /// Its name, for its certificate.
    pub host: &'a str,
    /// Makes encrypted connections where they are wanted.
    pub tls: Option<&'a TlsClient>,
}

impl Server<'_> {
    fn connect(&self, request: Option<Assigned>) -> io::Result<Connection> {
        let Some(address) = self.addresses.first() else {
            return Err(io::Error::other("the server has no address"));
        };
        let secure = match self.tls {
            None => None,
            Some(tls) => Some(Secure::new(tls.connect(self.host).map_err(io::Error::other)?)),
        };
        Connection::open(*address, secure, request)
    }
}

/// A thread's connections.
#[derive(Debug)]
pub struct Pool<'a> {
    server: Server<'a>,
    registry: Registry,
    places: Vec<Option<Connection>>,
    /// Places without a connection.
    free: Vec<usize>,
    /// Places of connections without a request, the one used last at the end.
    idle: Vec<usize>,
    /// Whether the server has kept the connections that it said it would keep.
    server_keeps: bool,
    /// Connections that were opened.
    pub opened: u32,
    /// Most connections that were open at once.
    pub most_open: u32,
}

impl<'a> Pool<'a> {
    /// No connection yet.
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

    /// The connection at a place, where there still is one.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Connection> {
        self.places.get_mut(at)?.as_mut()
    }

    /// All connections.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.places.iter_mut().flatten()
    }

    /// Places there are; each may have a connection.
    #[must_use]
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// Opens a connection; the request is sent on it when the handshake is done.
    ///
    /// # Errors
    /// What the system says, such as too many open files.
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

    /// Takes an idle connection that the server will hardly have closed.
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

    /// Keeps a connection for another request.
    pub fn put_idle(&mut self, at: usize) {
        if self.server_keeps {
            self.idle.push(at);
        } else {
            self.close(at);
        }
    }

    /// Notes that the server closes connections that it said it would keep. Once is enough to know such a server: from now on
    /// each request has a connection of its own, so that one that closes without an answer is a failure and never tried again.
    pub fn keep_none(&mut self) {
        self.server_keeps = false;
    }

    /// Closes an idle connection, because the server did.
    pub fn close_idle(&mut self, at: usize) {
        self.idle.retain(|idle| *idle != at);
        self.close(at);
    }

    /// Closes a connection that is not among the idle ones.
    pub fn close(&mut self, at: usize) {
        if let Some(mut connection) = self.places.get_mut(at).and_then(Option::take) {
            let _ = self.registry.deregister(&mut connection.socket);
            self.free.push(at);
        }
    }
}
