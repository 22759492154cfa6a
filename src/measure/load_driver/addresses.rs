//! The addresses of a server's name. All of them are tried, each a moment after the one before (RFC 8305, "happy eyeballs"); the load
//! then goes to the first that accepts a connection.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Time between two attempts (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The addresses of a name in the order in which they are to be tried.
///
/// # Errors
/// The resolver's error, or that the name has no address.
pub fn resolve(host: &str, port: u16, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    // getaddrinfo(3) has no timeout, so it runs in a thread that is abandoned at the deadline.
    let (sender, receiver) = mpsc::channel();
    let host = host.to_owned();
    std::thread::spawn(move || {
        let _ = sender.send((host.as_str(), port).to_socket_addrs().map(Iterator::collect));
    });
    let found: Vec<SocketAddr> = receiver
        .recv_timeout(limit)
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the resolver timed out")))?;
    if found.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    Ok(interleaved(found))
}

/// IPv4 and IPv6 in turn (RFC 8305, section 4). IPv4 first: on `::1`, an address of `localhost`, a server bound to `0.0.0.0` does not
/// listen.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv4);
    let longest = v4.len().max(v6.len());
    let mut order = Vec::new();
    for at in 0..longest {
        order.extend(
            v4.get(at)
                .into_iter()
                .chain(v6.get(at))
                .filter(|address| !order.contains(*address))
                .copied()
                .collect::<Vec<_>>(),
        );
    }
    order
}

/// Moves the first address that accepts a connection to the front. If none does, the order stays, and the load reports the errors.
#[must_use]
pub fn reachable_first(mut addresses: Vec<SocketAddr>, limit: Duration) -> Vec<SocketAddr> {
    if addresses.len() > 1
        && let Some(found) = first_to_accept(&addresses, limit)
        && let Some(at) = addresses.iter().position(|address| *address == found)
    {
        addresses[..=at].rotate_right(1);
    }
    addresses
}

fn first_to_accept(addresses: &[SocketAddr], limit: Duration) -> Option<SocketAddr> {
    let until = Instant::now() + limit;
    let (sender, receiver) = mpsc::channel();
    let mut waiting = addresses.iter();
    let mut open = 0;
    loop {
        let next = waiting.next();
        if let Some(address) = next.copied() {
            let sender = sender.clone();
            // Abandoned once another address has accepted; the connection attempt ends at its own deadline.
            std::thread::spawn(move || {
                let accepted = TcpStream::connect_timeout(&address, limit).is_ok();
                let _ = sender.send((address, accepted));
            });
            open += 1;
        }
        let left = until.saturating_duration_since(Instant::now());
        let wait = if next.is_some() { left.min(ATTEMPT_DELAY) } else { left };
        match receiver.recv_timeout(wait) {
            Ok((address, true)) => return Some(address),
            Ok((_, false)) => open -= 1,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) if left.is_zero() => return None,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if open == 0 && waiting.len() == 0 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

    use socket2::{Domain, Socket, Type};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// An address at which connections are refused, as long as the socket lives.
    fn refusing() -> (Socket, SocketAddr) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, address)
    }

    #[test]
    fn the_address_that_accepts_comes_first() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listening = listener.local_addr().unwrap();
        let ((_one, first), (_other, second)) = (refusing(), refusing());
        assert_eq!(reachable_first(vec![first, second, listening], LIMIT), [listening, first, second]);
        assert_eq!(reachable_first(vec![first, second], LIMIT), [first, second]);
        assert_eq!(reachable_first(vec![first], LIMIT), [first]);
    }

    #[test]
    fn a_silent_address_delays_the_next_for_a_moment_only() {
        // Its queue of connections is full, so that the kernel drops further attempts in silence.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let silent = socket.local_addr().unwrap().as_socket().unwrap();
        let _waiting = TcpStream::connect(silent).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listening = listener.local_addr().unwrap();
        let since = Instant::now();
        assert_eq!(reachable_first(vec![silent, listening], LIMIT), [listening, silent]);
        assert!(since.elapsed() < LIMIT / 2);
    }

    #[test]
    fn families_take_turns() {
        let v4 = |last: u8| SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), 80));
        let v6 = |last: u16| SocketAddr::from((Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last), 80));
        assert_eq!(interleaved(vec![v6(1), v6(2), v6(3), v4(1), v4(1)]), [v4(1), v6(1), v6(2), v6(3)]);
        assert!(resolve("engine.invalid", 80, LIMIT).is_err());
    }
}
