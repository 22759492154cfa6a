//! A server that goes away and comes back during a run, seen or unseen by the requests.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::client::{doubts, measure, stderr};
use crate::harness::Simulator;

const LOAD: [&str; 9] = [
    "--random-input-len",
    "8",
    "--random-output-len",
    "4",
    "--ignore-eos",
    "--max-concurrency",
    "1",
    "--num-prompts",
    "12",
];

/// Hands bytes on in both directions until one side ends.
fn join(client: TcpStream, server: TcpStream) {
    let pairs = [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
    for (mut from, mut to) in pairs {
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}

/// A port behind which `first` answers, and from the given connection on the engine that `next` hands over then.
fn behind_one_port(first: &Simulator, switch_at: usize, next: impl Fn() -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut address = first.address.clone();
    std::thread::spawn(move || {
        for (client, number) in listener.incoming().zip(1..) {
            if number == switch_at {
                address = next();
            }
            join(client.unwrap(), TcpStream::connect(&address).unwrap());
        }
    });
    port
}

/// An engine that another thread starts. That thread never ends, so the engine is stopped here.
#[derive(Default)]
struct Later(Arc<Mutex<Option<Simulator>>>);

impl Drop for Later {
    fn drop(&mut self) {
        drop(self.0.lock().unwrap().take());
    }
}

/// The probe, the metrics, and four requests, a connection each.
const SWITCH_AT: usize = 7;

#[test]
fn a_server_that_restarts_between_two_requests_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--ttft-ms", "2", "--itl-ms", "1"];
    let first = Simulator::start(&arguments);
    let second = Later::default();
    let keeper = second.0.clone();
    let port = behind_one_port(&first, SWITCH_AT, move || {
        let engine = Simulator::start(&arguments);
        let address = engine.address.clone();
        *keeper.lock().unwrap() = Some(engine);
        address
    });
    let load = [&LOAD[..], &["--header", "Connection=close"]].concat();
    let (result, output) = measure(&port, &load, folder.path());
    assert_eq!(result["completed"], 12, "{}", stderr(&output));
    assert_eq!(doubts(&result), ["server_restarted"], "{}", result["imax"]);
}

#[test]
fn replicas_that_were_there_before_are_no_restart() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--ttft-ms", "2", "--itl-ms", "1"];
    let (first, second) = (Simulator::start(&arguments), Simulator::start(&arguments));
    let address = second.address.clone();
    let port = behind_one_port(&first, SWITCH_AT, move || address.clone());
    let load = [&LOAD[..], &["--header", "Connection=close"]].concat();
    let (result, output) = measure(&port, &load, folder.path());
    assert_eq!(doubts(&result), Vec::<&str>::new(), "{}{}", result["imax"], stderr(&output));
}
