//! The connection pool of one client thread: opens connections, keeps idle ones for each server, and closes those that were idle for too
//! long. The index of a connection in the pool is its token in the event queue.

use std::io;
use std::time::Duration;

use mio::{Interest, Registry, Token};

use super::connection::{Assigned, Connection};
use super::server::Server;
use crate::model::saturating;

/// Connections that were idle for longer are not reused: servers close theirs after some seconds (uvicorn after five), and a request
/// sent on a closing connection would be lost.
const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// A server, and its connections that are kept.
#[derive(Debug)]
struct Kept<'a> {
    server: &'a Server<'a>,
    /// Indices of idle connections, the most recently used last.
    idle: Vec<usize>,
    /// Whether the server honours keep-alive.
    is_honoured: bool,
}

/// A thread's connections.
#[derive(Debug)]
pub struct Pool<'a> {
    servers: Vec<Kept<'a>>,
    registry: Registry,
    places: Vec<Option<Connection>>,
    /// Indices without a connection.
    free: Vec<usize>,
    /// Number of connections opened.
    pub opened: u32,
    /// Maximum number of connections open at once.
    pub most_open: u32,
}

impl<'a> Pool<'a> {
    /// An empty pool.
    #[must_use]
    pub fn new(servers: &'a [Server<'a>], registry: Registry) -> Self {
        let servers = servers.iter().map(|server| Kept {
            server,
            idle: Vec::new(),
            is_honoured: true,
        });
        Self {
            servers: servers.collect(),
            registry,
            places: Vec::new(),
            free: Vec::new(),
            opened: 0,
            most_open: 0,
        }
    }

    /// A server by its number.
    ///
    /// # Errors
    /// There is no such server, which is a bug.
    pub fn server(&self, number: usize) -> io::Result<&'a Server<'a>> {
        let kept = self.servers.get(number);
        kept.map(|kept| kept.server)
            .ok_or_else(|| io::Error::other("unknown server number"))
    }

    /// Number of servers.
    #[must_use]
    pub fn server_count(&self) -> usize {
        self.servers.len()
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

    /// Opens a connection to a server; the request is sent after the handshake.
    ///
    /// # Errors
    /// The system error, such as too many open files.
    pub fn open(&mut self, server: usize, request: Option<Assigned>) -> io::Result<()> {
        let mut connection = self.server(server)?.connect(server, request)?;
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
        let open = saturating::to_u32(self.places.len() - self.free.len());
        self.most_open = self.most_open.max(open);
        Ok(())
    }

    /// Takes an idle connection that the server has probably not closed.
    pub fn take_idle(&mut self, server: usize) -> Option<usize> {
        while let Some(at) = self.servers.get_mut(server)?.idle.pop() {
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
        match self.kept_of(at) {
            Some(kept) if kept.is_honoured => kept.idle.push(at),
            Some(_) | None => self.close(at),
        }
    }

    /// Records that the server of a connection closes kept ones. From then on each request to it gets a new connection, so that a
    /// connection closed without a response is a failed request and is not retried.
    pub fn keep_none(&mut self, at: usize) {
        if let Some(kept) = self.kept_of(at) {
            kept.is_honoured = false;
        }
    }

    /// Closes an idle connection that the server has closed.
    pub fn close_idle(&mut self, at: usize) {
        if let Some(kept) = self.kept_of(at) {
            kept.idle.retain(|idle| *idle != at);
        }
        self.close(at);
    }

    /// Closes a connection that is not idle.
    pub fn close(&mut self, at: usize) {
        if let Some(mut connection) = self.places.get_mut(at).and_then(Option::take) {
            let _ = self.registry.deregister(&mut connection.socket);
            self.free.push(at);
        }
    }

    /// The server of the connection at an index.
    fn kept_of(&mut self, at: usize) -> Option<&mut Kept<'a>> {
        let server = self.places.get(at)?.as_ref()?.server;
        self.servers.get_mut(server)
    }
}
