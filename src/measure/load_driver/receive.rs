//! Reads from a socket together with the time at which the kernel received the bytes (`SO_TIMESTAMPNS`, socket(7)). That time does
//! not depend on when this process is scheduled, so a late read causes no error.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd as _, RawFd};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

use super::clock;
use super::socket::Socket;
use crate::load::Stamp;

/// Bytes read, and their arrival.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Number of bytes; 0 at the end of the stream.
    pub bytes: usize,
    /// Arrival: the kernel's time stamp of the last byte, else the time of the read.
    pub at: Stamp,
    /// Whether the kernel stamped it.
    pub by_kernel: bool,
}

/// Buffer for one control message with a `timespec`.
#[derive(Debug)]
pub struct ControlBuffer(Vec<u8>);

impl Default for ControlBuffer {
    fn default() -> Self {
        Self(nix::cmsg_space!(TimeSpec))
    }
}

/// Enables time stamps on a socket. Returns whether the kernel supports them.
pub fn enable_time_stamps(socket: &Socket) -> bool {
    setsockopt(socket, sockopt::ReceiveTimestampns, &true).is_ok()
}

/// Delays acknowledgements (`TCP_QUICKACK` off, tcp(7)). The option is not permanent, so it is set again and again. Where it is not
/// supported, the client only uses more CPU time.
pub fn delay_acknowledgements(socket: &Socket) {
    let _ = socket2::SockRef::from(socket).set_tcp_quickack(false);
}

/// Reads the available bytes.
///
/// # Errors
/// The system error; `WouldBlock` if there are no bytes.
pub fn receive(socket: &Socket, buffer: &mut [u8], control: &mut ControlBuffer) -> io::Result<Received> {
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

/// Reads the available bytes, and the kernel's time stamp if there is one.
///
/// # Errors
/// The system error.
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

/// The kernel reports zero for bytes without a time stamp.
fn nanos(time: TimeSpec) -> Option<Stamp> {
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    let nanos = u64::try_from(time.tv_nsec()).ok()?;
    (seconds > 0).then(|| Stamp::from_unix_nanos(seconds * 1_000_000_000 + nanos))
}
