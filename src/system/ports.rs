//! Free ports for engines. A port cannot be reserved for another process, so another program may take it before the engine
//! listens; the engine's log then reports it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::ops::Range;

/// Lower ports are well-known, or the defaults of many services.
const LOWEST: u16 = 10_000;
/// Random ports that are tried.
const TRIES: u32 = 50;

/// A port on which no process listens, below the ephemeral range: Linux assigns ephemeral ports to outgoing connections, and one of
/// them could take the port before the engine does.
///
/// # Errors
/// No port is free.
pub fn free_port() -> io::Result<u16> {
    let range = below_ephemeral().filter(|ports| !ports.is_empty());
    let found = range.and_then(|ports| (0..TRIES).map(|_| random_port(&ports)).find(|port| port_is_free(*port)));
    match found {
        Some(port) => Ok(port),
        None => Ok(listen_at(0)?.local_addr()?.port()),
    }
}

/// Whether an engine could listen on the port.
#[must_use]
pub fn port_is_free(port: u16) -> bool {
    listen_at(port).is_ok()
}

fn listen_at(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))
}

/// The ports below the ephemeral range
/// (<https://docs.kernel.org/networking/ip-sysctl.html>, `ip_local_port_range`).
fn below_ephemeral() -> Option<Range<u16>> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let first = text.split_whitespace().next()?.parse().ok()?;
    Some(LOWEST..first)
}

/// A random port of a range that is not empty. The random number is the seed that the standard library uses for hash tables.
fn random_port(ports: &Range<u16>) -> u16 {
    let random = RandomState::new().build_hasher().finish();
    let offset = random % u64::from(ports.end - ports.start);
    ports.start + u16::try_from(offset).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_in_use_is_not_free() {
        let listener = listen_at(0).unwrap();
        assert!(!port_is_free(listener.local_addr().unwrap().port()));
    }

    #[test]
    fn free_port_is_below_the_ephemeral_range() {
        let ephemeral = below_ephemeral().map(|ports| ports.end);
        for _ in 0..20 {
            let port = free_port().unwrap();
            assert!(
                port >= LOWEST && ephemeral.is_none_or(|first| port < first || first <= LOWEST),
                "{port}"
            );
        }
    }

    #[test]
    fn random_ports_cover_the_range() {
        let chosen: std::collections::BTreeSet<u16> = (0..100).map(|_| random_port(&(5..8))).collect();
        assert_eq!(chosen, [5, 6, 7].into());
    }
}
