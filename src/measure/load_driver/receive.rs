//! Reading from a socket together with the instant at which the kernel received the bytes (`SO_TIMESTAMPNS`, Linux).
//! That instant does not depend on when this process got to run, so the reader may be late without being wrong.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd as _, RawFd};

use mio::net::TcpStream;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

use super::clock;
use crate::load::Stamp;

/// Bytes that were read, and when they arrived.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// How many; 0 is the end of the stream.
    pub bytes: usize,
    /// Their arrival: the kernel's instant of the last of them, else the present one.
    pub at: Stamp,
    /// Whether it is the kernel's.
    pub by_kernel: bool,
}

/// Room for one control message with a `timespec`.
#[derive(Debug)]
pub struct ControlBuffer(Vec<u8>);

impl Default for ControlBuffer {
    fn default() -> Self {
        Self(nix::cmsg_space!(TimeSpec))
    }
}

/// Asks the kernel for time stamps on a socket. Says whether it will give them.
pub fn enable_time_stamps(socket: &TcpStream) -> bool {
    setsockopt(socket, sockopt::ReceiveTimestampns, &true).is_ok()
}

/// Lets the kernel gather acknowledgements. It goes back to acknowledging every segment now and then, so this is asked
/// for again and again; a system that does not know it only costs more.
pub fn delay_acknowledgements(socket: &TcpStream) {
    let _ = socket2::SockRef::from(socket).set_tcp_quickack(false);
}

/// Reads what is there.
///
/// # Errors
/// What the system says; `WouldBlock` where nothing is there.
pub fn receive(socket: &TcpStream, buffer: &mut [u8], control: &mut ControlBuffer) -> io::Result<Received> {
    let (bytes, stamp) = receive_from(socket.as_raw_fd(), buffer, control)?;
    Ok(match stamp {
        Some(at) => Received {
            bytes,
            at,
            by_kernel: true,
        },
        None => Received {
            bytes,
            at: clock::now(),
            by_kernel: false,
        },
    })
}

/// Reads what is there; the arrival only where the kernel has stamped it.
///
/// # Errors
/// What the system says.
pub fn receive_from(socket: RawFd, buffer: &mut [u8], control: &mut ControlBuffer) -> io::Result<(usize, Option<Stamp>)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(socket, &mut parts, Some(&mut control.0), MsgFlags::empty())?;
    let stamp = message.cmsgs()?.find_map(|control| {
        if let ControlMessageOwned::ScmTimestampns(time) = control {
            nanos(time)
        } else {
            None
        }
    });
    Ok((message.bytes, stamp))
}

/// A zero stamp is what the kernel gives for bytes it has no stamp of.
fn nanos(time: TimeSpec) -> Option<Stamp> {
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    let nanos = u64::try_from(time.tv_nsec()).ok()?;
    (seconds > 0).then(|| Stamp::from_unix_nanos(seconds * 1_000_000_000 + nanos))
}
