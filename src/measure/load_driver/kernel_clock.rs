//! Keeps the kernel's receive time stamps on. The kernel stamps what it receives only while some socket asks for it, and a worker
//! in the background switches that: the first bytes after the first request for it may come without a stamp, on a busy machine
//! for many milliseconds. So one socket asks early, and goes on asking between the parts of a measurement.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use super::receive::{self, ControlBuffer};

/// How long to wait for the first stamp; systems without them are measured by the instant of reading.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two packets.
const PAUSE: Duration = Duration::from_millis(1);
/// How long one packet to oneself may take.
const ONE_PACKET: Duration = Duration::from_millis(5);

/// Time stamps are on as long as this lives, where the system has them.
#[derive(Debug)]
pub struct KernelClock {
    asks: Option<UdpSocket>,
}

impl KernelClock {
    /// Switches time stamps on, and waits for the first one.
    #[must_use]
    pub fn switch_on() -> Self {
        let until = Instant::now() + PATIENCE;
        let asks = asking_socket().filter(|socket| {
            while !is_stamped(socket) {
                if Instant::now() > until {
                    return false;
                }
                // The worker in the background wants the processor, too.
                std::thread::sleep(PAUSE);
            }
            true
        });
        Self { asks }
    }

    /// Whether the system stamps what it receives.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.asks.is_some()
    }
}

/// A socket that sends to itself; `None` where the system has no stamps or no loopback.
fn asking_socket() -> Option<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.connect(socket.local_addr().ok()?).ok()?;
    socket.set_read_timeout(Some(ONE_PACKET)).ok()?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).ok()?;
    Some(socket)
}

fn is_stamped(socket: &UdpSocket) -> bool {
    let mut buffer = [0];
    let sent = socket.send(&[0]);
    let received = receive::receive_from(socket.as_raw_fd(), &mut buffer, &mut ControlBuffer::default());
    sent.is_ok() && received.is_ok_and(|(_, stamp)| stamp.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_on_when_it_returns() {
        let clock = KernelClock::switch_on();
        assert!(clock.is_on() && clock.asks.as_ref().is_some_and(is_stamped));
    }
}
