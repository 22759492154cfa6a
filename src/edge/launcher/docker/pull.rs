//! Images: taken from the node where they are there, else pulled, with retries for what may pass.

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bollard::Docker as Client;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;

use super::DockerError;
use crate::edge::host;
use crate::edge::job_state::StateFolder;
use crate::edge::launcher::Tries;
use crate::job::{Attempt, Tried};

/// Tries to pull an image. A registry that says no is asked once: only what may pass is tried again.
const TRIES: u32 = 3;
/// Pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// How often is looked whether another job's pull is over.
const LOOK_AT_TURN: Duration = Duration::from_millis(200);

/// Makes sure that the image is on the node, and gives what identifies it: its digest in the registry, or else its id.
/// An image that another job of ours is pulling is waited for; the caller has the deadline.
pub(super) async fn image(client: &Client, image: &str, log: &mut File, tries: &Tries) -> Result<String, DockerError> {
    if let Ok(found) = client.inspect_image(image).await {
        return Ok(digest(&found));
    }
    let _turn = turn(image, log).await?;
    // The job that had its turn before may have pulled it.
    if let Ok(found) = client.inspect_image(image).await {
        return Ok(digest(&found));
    }
    let mut problems = String::new();
    let mut pause = FIRST_PAUSE;
    for number in 1..=TRIES {
        let _ = writeln!(log, "imax: pulling {image} (try {number} of {TRIES})");
        let (started, since) = (host::timestamp(), Instant::now());
        let pulled = pull(client, image, log).await;
        let again = pulled.as_ref().err().is_some_and(may_pass) && number < TRIES;
        tries.lock().unwrap_or_else(PoisonError::into_inner).push(Attempt {
            what: Tried::ImagePull,
            number,
            of: TRIES,
            started,
            seconds: since.elapsed().as_secs_f64(),
            problem: pulled.as_ref().err().map(Error::to_string),
            pause_s: again.then_some(pause.as_secs_f64()),
        });
        match pulled {
            Ok(()) => {
                let found = client.inspect_image(image).await.map_err(|source| DockerError::Request {
                    what: format!("inspect the image {image}"),
                    source,
                })?;
                return Ok(digest(&found));
            }
            Err(error) => {
                let _ = write!(problems, "{}{error}", if number > 1 { "; then: " } else { "" });
            }
        }
        if !again {
            break;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(DockerError::Pull {
        image: image.to_owned(),
        problem: problems,
    })
}

/// Waits until no other job of this user on this node pulls the image. The turn ends when the file is dropped, also by the
/// death of this process.
async fn turn(image: &str, log: &mut File) -> Result<File, DockerError> {
    let file = StateFolder::from_environment().lock_file(image)?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        if !said {
            let _ = writeln!(log, "imax: another job of this node is pulling {image}; waiting for it");
            said = true;
        }
        tokio::time::sleep(LOOK_AT_TURN).await;
    }
}

fn digest(image: &bollard::models::ImageInspect) -> String {
    let from_registry = image.repo_digests.as_ref().and_then(|digests| digests.first());
    from_registry.or(image.id.as_ref()).cloned().unwrap_or_default()
}

async fn pull(client: &Client, image: &str, log: &mut File) -> Result<(), Error> {
    let options = CreateImageOptionsBuilder::new().from_image(&tagged(image)).build();
    let mut progress = std::pin::pin!(client.create_image(Some(options), None, None));
    let mut said = String::new();
    while let Some(step) = progress.next().await {
        let step = step?;
        // Layers report each percent; what is new is only their state.
        let state = format!("{} {}", step.id.unwrap_or_default(), step.status.unwrap_or_default());
        if state != said {
            let _ = writeln!(log, "imax: {}", state.trim());
            said = state;
        }
    }
    Ok(())
}

/// Without a tag the engine would pull all of them.
fn tagged(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// Whether another try may go well: the network and the registry's own errors, not its refusals.
fn may_pass(error: &Error) -> bool {
    let text = error.to_string().to_lowercase();
    let refused = [
        "denied",
        "unauthorized",
        "not found",
        "manifest unknown",
        "invalid reference",
        "no space left",
    ];
    !refused.iter().any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        assert_eq!(tagged("org/engine"), "org/engine:latest");
        for image in ["127.0.0.1:5000/org/engine:1", "engine@sha256:00"] {
            assert_eq!(tagged(image), image);
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let refused = |message: &str| Error::DockerResponseServerError {
            status_code: 404,
            message: message.to_owned(),
        };
        assert!(!may_pass(&refused("manifest for x:1 not found: manifest unknown")));
        assert!(!may_pass(&refused("pull access denied for x")));
        assert!(may_pass(&refused("Get https://registry: net/http: TLS handshake timeout")));
    }
}
