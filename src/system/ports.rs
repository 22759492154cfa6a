//! Ports for engines that do not listen yet. Nothing can keep a port for another process, so what is chosen here is likely to
//! stay free until the engine takes it; where it did not, the engine's log says so.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::ops::Range;

/// Below it are the well-known ports and those of many services.
const LOWEST: u16 = 10_000;
/// Ports that are tried by chance.
const TRIES: u32 = 50;

/// A port that no one listens on now. It is none that Linux gives to those who ask for any port: those come and go with every
/// connection, and one of them could have it before the engine does.
///
/// # Errors
/// Where no port is free.
pub fn free_port() -> io::Result<u16> {
    let chosen = never_given_out().filter(|ports| !ports.is_empty());
    let by_chance = chosen.and_then(|ports| (0..TRIES).map(|_| one_of(&ports)).find(|port| port_is_free(*port)));
    match by_chance {
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

/// The ports below those that the system gives out by itself
/// (<https://docs.kernel.org/networking/ip-sysctl.html>, `ip_local_port_range`).
fn never_given_out() -> Option<Range<u16>> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let first = text.split_whitespace().next()?.parse().ok()?;
    Some(LOWEST..first)
}

/// One port of a range that is not empty, by the randomness that the standard library has for its hash tables.
fn one_of(ports: &Range<u16>) -> u16 {
    let random = RandomState::new().build_hasher().finish();
    let offset = random % u64::from(ports.end - ports.start);
    ports.start + u16::try_from(offset).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_free() {
        let listener = listen_at(0).unwrap();
        assert!(!port_is_free(listener.local_addr().unwrap().port()));
    }

    #[test]
    fn a_free_port_is_none_that_the_system_gives_out() {
        let given_out = never_given_out().map(|ports| ports.end);
        for _ in 0..20 {
            let port = free_port().unwrap();
            assert!(
                port >= LOWEST && given_out.is_none_or(|first| port < first || first <= LOWEST),
                "{port}"
            );
        }
    }

    #[test]
    fn choices_differ_and_stay_in_the_range() {
        let chosen: std::collections::BTreeSet<u16> = (0..100).map(|_| one_of(&(5..8))).collect();
        assert_eq!(chosen, [5, 6, 7].into());
    }
}
