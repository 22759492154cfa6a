//! Keeps the kernel's receive time stamps enabled. The kernel stamps received packets only while some socket has the option set, and
//! enables it in a background worker: after the first `setsockopt`, packets may have no stamp for many milliseconds on a busy
//! machine. So one socket sets the option early and stays open between the parts of a measurement.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use super::receive::{self, ControlBuffer};

/// Maximum wait for the first stamp. Without stamps the time of the read is used.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two packets.
const PAUSE: Duration = Duration::from_millis(1);
/// Timeout of one packet on the loopback.
const ONE_PACKET: Duration = Duration::from_millis(5);

/// Keeps time stamps enabled until it is dropped, if the system supports them.
#[derive(Debug)]
pub struct KernelClock {
    asks: Option<UdpSocket>,
}

impl KernelClock {
    /// Enables time stamps and waits for the first one.
    #[must_use]
    pub fn switch_on() -> Self {
        let until = Instant::now() + PATIENCE;
        let asks = asking_socket().filter(|socket| {
            while !is_stamped(socket) {
                if Instant::now() > until {
                    return false;
                }
                // Leaves the processor to the kernel's background worker.
                std::thread::sleep(PAUSE);
            }
            true
        });
        Self { asks }
    }

    /// Whether the system stamps received packets.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.asks.is_some()
    }
}

/// A socket connected to itself; `None` if the system has no time stamps or no loopback.
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
    fn time_stamps_are_enabled_on_return() {
        let clock = KernelClock::switch_on();
        assert!(clock.is_on() && clock.asks.as_ref().is_some_and(is_stamped));
    }
}
