//! Provides the image: uses the node's copy if there is one, otherwise pulls it, with retries for transient errors. A pull may take an
//! hour, so progress is printed.

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bollard::Docker as Client;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;

use super::options::PullPolicy;
use super::progress::Layers;
use super::{DockerError, login};
use crate::fleet::job_state::StateFolder;
use crate::fleet::launcher::LaunchRequest;
use crate::job::{Attempt, Tried};
use crate::system::host;

/// The most attempts to pull an image. Refusals of the registry are not retried.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Polling interval for another job's lock: flock(2) has no timeout.
const LOCK_INTERVAL: Duration = Duration::from_millis(200);
/// Interval between two progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// Output of a pull: all messages go to the job's log, progress also to the console.
struct Report<'a> {
    log: &'a mut File,
    say: &'a dyn Fn(&str),
}

impl Report<'_> {
    fn note(&mut self, text: &str) {
        let _ = writeln!(self.log, "imax: {text}");
    }

    fn announce(&mut self, text: &str) {
        self.note(text);
        (self.say)(text);
    }
}

/// Makes sure that the image is on the node. Returns its digest in the registry, or else its id.
/// Waits for another job that pulls the same image; the caller has the deadline.
pub(super) async fn ensure_image(
    client: &Client,
    image: &str,
    policy: PullPolicy,
    log: &mut File,
    request: &LaunchRequest<'_>,
) -> Result<String, DockerError> {
    let report = &mut Report { log, say: request.say };
    let may_be_there = match policy {
        PullPolicy::Missing => true,
        PullPolicy::Always => false,
    };
    if may_be_there && let Ok(found) = client.inspect_image(image).await {
        return Ok(digest(image, &found));
    }
    let _lock = lock_pull(image, report).await?;
    // Another job may have pulled it while this one waited.
    if may_be_there && let Ok(found) = client.inspect_image(image).await {
        return Ok(digest(image, &found));
    }
    pull_with_retries(client, image, report, request).await?;
    let found = client.inspect_image(image).await.map_err(|source| DockerError::Request {
        what: format!("inspect the image {image}"),
        source,
    })?;
    Ok(digest(image, &found))
}

async fn pull_with_retries(client: &Client, image: &str, report: &mut Report<'_>, request: &LaunchRequest<'_>) -> Result<(), DockerError> {
    let search = login::search(image, request.cancellation).await;
    for problem in &search.problems {
        report.announce(&format!("login for {image} not used: {problem}"));
    }
    let mut problems = String::new();
    let mut pause = FIRST_PAUSE;
    for number in 1..=ATTEMPTS {
        report.announce(&format!("pulling {image} (try {number} of {ATTEMPTS}{})", search.note()));
        let (started, since) = (host::timestamp(), Instant::now());
        let pulled = pull(client, image, search.credentials(), report).await;
        let again = pulled.as_ref().err().is_some_and(is_transient) && number < ATTEMPTS;
        request.tries.lock().unwrap_or_else(PoisonError::into_inner).push(Attempt {
            what: Tried::ImagePull,
            number,
            of: ATTEMPTS,
            started,
            seconds: since.elapsed().as_secs_f64(),
            problem: pulled.as_ref().err().map(Error::to_string),
            pause_s: again.then_some(pause.as_secs_f64()),
        });
        let Err(error) = pulled else {
            report.announce(&format!("pulled {image} in {:.0} s", since.elapsed().as_secs_f64()));
            return Ok(());
        };
        let _ = write!(problems, "{}{error}", if number > 1 { "; then: " } else { "" });
        if needs_login(&error) {
            let _ = write!(problems, " ({})", search.remedy());
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

/// Waits until no other job of this user on this node pulls the image, and locks it. The lock is released when the file is closed, also
/// if this process is killed.
async fn lock_pull(image: &str, report: &mut Report<'_>) -> Result<File, DockerError> {
    let file = StateFolder::from_environment().lock_file(image)?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        if !said {
            report.announce(&format!("waiting for another job on this node that pulls {image}"));
            said = true;
        }
        tokio::time::sleep(LOCK_INTERVAL).await;
    }
}

/// The image's digest in the repository of `name`, or else its id. The daemon lists the digests of all repositories with the same
/// content; those of other repositories do not show where this image comes from.
fn digest(name: &str, image: &bollard::models::ImageInspect) -> String {
    let mut digests = image.repo_digests.iter().flatten();
    let of_repository = digests.find(|digest| repository(digest) == repository(name));
    of_repository.or(image.id.as_ref()).cloned().unwrap_or_default()
}

/// The repository of an image's name, without tag and digest, and without the prefixes of Docker Hub that clients leave out
/// (`docker.io/library/alpine` is `alpine`).
fn repository(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    let tag = name.rfind(':').filter(|colon| !name[*colon..].contains('/'));
    let name = &name[..tag.unwrap_or(name.len())];
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

async fn pull(client: &Client, image: &str, credentials: Option<DockerCredentials>, report: &mut Report<'_>) -> Result<(), Error> {
    let options = CreateImageOptionsBuilder::new().from_image(&tagged(image)).build();
    let mut messages = std::pin::pin!(client.create_image(Some(options), None, credentials));
    let since = Instant::now();
    let mut lines = tokio::time::interval_at(tokio::time::Instant::now() + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
    let mut layers = Layers::default();
    loop {
        tokio::select! {
            message = messages.next() => {
                let Some(message) = message else { return Ok(()) };
                if let Some(line) = layers.update(message?) {
                    report.note(&line);
                }
            }
            _ = lines.tick() => (report.say)(&format!("pulling {image} for {} s: {}", since.elapsed().as_secs(), layers.summary())),
        }
    }
}

/// The image with a tag: without one, the daemon would pull all tags.
fn tagged(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// Parts of messages of daemons and registries that require a login or refuse the given one.
const LOGIN_WANTED: [&str; 4] = ["denied", "unauthorized", "authentication required", "no basic auth credentials"];
/// Parts of messages of other refusals.
const REFUSED: [&str; 4] = ["not found", "manifest unknown", "invalid reference", "no space left"];

fn needs_login(error: &Error) -> bool {
    has_message(error, &LOGIN_WANTED)
}

/// Whether a retry may succeed: network and server errors, not refusals.
fn is_transient(error: &Error) -> bool {
    !needs_login(error) && !has_message(error, &REFUSED)
}

fn has_message(error: &Error, parts: &[&str]) -> bool {
    let text = error.to_string().to_lowercase();
    parts.iter().any(|part| text.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_without_tag_is_latest() {
        assert_eq!(tagged("org/engine"), "org/engine:latest");
        for image in ["127.0.0.1:5000/org/engine:1", "engine@sha256:00"] {
            assert_eq!(tagged(image), image);
        }
    }

    #[test]
    fn digest_is_that_of_the_repository_or_the_id() {
        let image = bollard::models::ImageInspect {
            id: Some("sha256:1d".to_owned()),
            repo_digests: Some(vec![
                "other:5000/org/engine@sha256:aa".to_owned(),
                "org/engine@sha256:bb".to_owned(),
            ]),
            ..Default::default()
        };
        for (name, expected) in [
            ("org/engine:1", "org/engine@sha256:bb"),
            ("docker.io/org/engine", "org/engine@sha256:bb"),
            ("other:5000/org/engine:2", "other:5000/org/engine@sha256:aa"),
            ("other:5000/org/engine@sha256:aa", "other:5000/org/engine@sha256:aa"),
            ("other:5001/org/engine", "sha256:1d"),
        ] {
            assert_eq!(digest(name, &image), expected, "{name}");
        }
    }

    #[test]
    fn hub_prefixes_are_no_part_of_a_repository() {
        assert_eq!(repository("docker.io/library/alpine:3"), repository("alpine"));
    }

    #[test]
    fn only_transient_errors_are_retried() {
        for (message, passes, login) in [
            ("manifest for x:1 not found: manifest unknown", false, false),
            ("pull access denied for x", false, true),
            ("Get https://r/v2/x/manifests/1: no basic auth credentials", false, true),
            ("unauthorized: authentication required", false, true),
            ("Get https://registry: net/http: TLS handshake timeout", true, false),
        ] {
            let error = Error::DockerResponseServerError {
                status_code: 404,
                message: message.to_owned(),
            };
            assert_eq!((is_transient(&error), needs_login(&error)), (passes, login), "{message}");
        }
    }
}
