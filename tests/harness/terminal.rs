//! A command at a terminal: keys go to it, and what it shows is read until it shows what is expected.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::Pid;

use super::DEADLINE;

/// A running command with a terminal for its input and one for its output: the former can be closed while the latter is read.
pub struct Terminal {
    child: Child,
    keys: Option<PtyMaster>,
    input: File,
    settings: Termios,
    output: Option<File>,
    shown: Receiver<Vec<u8>>,
    text: String,
    /// Up to where the text was waited for.
    seen: usize,
}

/// What a command at a terminal left behind.
pub struct AtTerminal {
    /// None where a signal ended it.
    pub code: Option<i32>,
    pub text: String,
    /// Whether the terminal's settings are those before the command.
    pub is_restored: bool,
}

impl Terminal {
    pub fn start(mut command: Command) -> Self {
        let (keys, input) = terminal();
        let (screen, output) = terminal();
        // No key means anything to the terminal itself, whenever the command reads it. That keys are shown tells these settings from
        // those of a command that awaits a key.
        let mut settings = tcgetattr(&input).unwrap();
        cfmakeraw(&mut settings);
        settings.local_flags.insert(LocalFlags::ECHO);
        tcsetattr(&input, SetArg::TCSANOW, &settings).unwrap();
        let child = command
            .env("TERM", "xterm")
            .stdin(input.try_clone().unwrap())
            .stdout(output.try_clone().unwrap())
            .stderr(output.try_clone().unwrap())
            .spawn()
            .unwrap();
        let settings = tcgetattr(&input).unwrap();
        Self {
            child,
            keys: Some(keys),
            input,
            settings,
            output: Some(output),
            shown: read_screen(screen),
            text: String::new(),
            seen: 0,
        }
    }

    /// Waits until the command shows a text, after the texts that were waited for before.
    pub fn await_text(&mut self, expected: &str) {
        let end = Instant::now() + DEADLINE;
        loop {
            let rest = self.text.get(self.seen..).unwrap_or_default();
            if let Some(at) = rest.find(expected) {
                self.seen += at + expected.len();
                return;
            }
            match self.shown.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("`{expected}` is not shown:\n{}", self.text),
            }
        }
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for a question and answers it.
    pub fn answer(&mut self, question: &str, keys: &str) {
        self.await_text(question);
        self.press(keys);
    }

    /// Closes the terminal that the command reads from.
    pub fn close(&mut self) {
        self.keys = None;
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for the end of the command.
    pub fn finish(mut self) -> AtTerminal {
        let end = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > end {
                self.child.kill().unwrap();
                panic!("did not end within {DEADLINE:?}:\n{}", self.text);
            }
            // A full screen buffer would stop the command.
            if let Ok(bytes) = self.shown.recv_timeout(std::time::Duration::from_millis(5)) {
                self.text.push_str(&String::from_utf8_lossy(&bytes));
            }
        };
        // The reader ends when nobody has the screen any more.
        self.output = None;
        while let Ok(bytes) = self.shown.recv_timeout(DEADLINE) {
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
        let is_restored = tcgetattr(&self.input).is_ok_and(|settings| settings == self.settings);
        AtTerminal {
            code: status.code(),
            text: self.text,
            is_restored,
        }
    }
}

/// Both ends of a terminal, which no other process inherits: one that another test starts would keep it open.
fn terminal() -> (PtyMaster, File) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let keyboard = posix_openpt(flags).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let path = ptsname_r(&keyboard).unwrap();
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NOCTTY.bits())
        .open(path)
        .unwrap();
    (keyboard, terminal)
}

fn read_screen(mut screen: PtyMaster) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match screen.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => {
                    if sender.send(buffer[..read].to_vec()).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // EIO: no process has the terminal any more.
                Err(_) => return,
            }
        }
    });
    receiver
}
