//! The connection to the daemon, its version, and the removal of a job's containers. All requests except pull, create and start have
//! short timeouts, so that a hanging daemon does not delay a cancelled job.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, WaitContainerOptionsBuilder};
use bollard::{BollardRequest, Docker as Client};
use futures_util::StreamExt as _;

use super::DockerError;
use super::plan::JOB_LABEL;
use crate::fleet::launcher::{LaunchError, Removal};
use crate::system::cancellation::Cancellation;
use crate::system::runtime;

/// Timeout of short requests.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeout of a container's removal, in which its processes are killed and its layers are unmounted.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(20);

/// Name and version of the daemon. Blocks the thread.
///
/// # Errors
/// Why there is no answer, as a sentence.
pub(super) fn daemon_version(socket: &str, limit: Duration, cancellation: &Cancellation) -> Result<String, String> {
    let version = async {
        let ask = async {
            let client = connect(socket).await.map_err(|error| error.to_string())?;
            client.version().await.map_err(|error| error.to_string())
        };
        tokio::select! {
            version = ask => version,
            () = tokio::time::sleep(limit) => Err(format!("no answer from {socket} within {limit:?}")),
            _ = cancellation.cancelled() => Err(format!("did not wait for {socket}: cancelled by a signal")),
        }
    };
    let version = runtime::block_on(version).map_err(|error| error.to_string())??;
    let name = version
        .components
        .and_then(|components| components.into_iter().next())
        .map(|component| component.name);
    Ok(format!(
        "{} {} at {socket}",
        name.unwrap_or_else(|| "engine".to_owned()),
        version.version.unwrap_or_default()
    ))
}

/// Removes the containers with the job's label. Returns whether there were any.
///
/// # Errors
/// If the daemon cannot be reached, refuses, or does not answer in time; [`LaunchError::Stopped`] after a signal.
pub(super) async fn remove_containers(socket: &str, removal: &Removal<'_>) -> Result<bool, LaunchError> {
    let Removal { job, cancellation, until } = removal;
    let work = async {
        let client = with_timeout(REQUEST_TIMEOUT, "connect", connect(socket)).await?;
        remove_labelled(&client, job.as_str(), REMOVAL_TIMEOUT).await
    };
    tokio::select! {
        removed = work => Ok(removed?),
        _ = cancellation.cancelled() => Err(LaunchError::Stopped),
        () = tokio::time::sleep_until((*until).into()) => Err(LaunchError::Late("removing the container".to_owned())),
    }
}

/// Removes the containers with a job's label, each within `limit`. Returns whether there were any.
pub(super) async fn remove_labelled(client: &Client, job: &str, limit: Duration) -> Result<bool, DockerError> {
    let filters = HashMap::from([("label", vec![format!("{JOB_LABEL}={job}")])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let list = async {
        client.list_containers(Some(options)).await.map_err(|source| DockerError::Request {
            what: "list containers".to_owned(),
            source,
        })
    };
    let list = with_timeout(REQUEST_TIMEOUT, "list containers", list).await?;
    // The daemon applies the filter. The label is checked again, because a foreign container must never be removed.
    let ours = list.iter().filter(|container| {
        let labels = container.labels.as_ref();
        labels.and_then(|labels| labels.get(JOB_LABEL)).is_some_and(|label| label == job)
    });
    let ids: Vec<String> = ours.filter_map(|container| container.id.clone()).collect();
    for id in &ids {
        let what = format!("remove the container {id}");
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removal = async {
            let removed = match client.remove_container(id, Some(options)).await {
                // The watchdog of a killed job and a clean-up may remove it at the same time.
                Err(Error::DockerResponseServerError { status_code: 409, .. }) => until_removed(client, id).await,
                other => other,
            };
            match removed {
                Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
                Err(source) => Err(DockerError::Request {
                    what: what.clone(),
                    source,
                }),
            }
        };
        with_timeout(limit, &what, removal).await?;
    }
    Ok(!ids.is_empty())
}

/// Waits until another process has removed a container.
async fn until_removed(client: &Client, id: &str) -> Result<(), Error> {
    let options = WaitContainerOptionsBuilder::new().condition("removed").build();
    let mut ends = std::pin::pin!(client.wait_container(id, Some(options)));
    match ends.next().await {
        // bollard takes an exit code other than 0 for an error.
        None | Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })) => Ok(()),
        Some(Err(error)) => Err(error),
    }
}

/// Limits the time of a request.
pub(super) async fn with_timeout<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, DockerError>>,
) -> Result<T, DockerError> {
    tokio::time::timeout(limit, work).await.map_err(|_| DockerError::NoAnswer {
        what: what.to_owned(),
        limit,
    })?
}

/// Connects and negotiates the version of the API.
pub(super) async fn connect(socket: &str) -> Result<Client, DockerError> {
    let problem = |source| DockerError::Connect {
        socket: socket.to_owned(),
        source,
    };
    let client = Client::connect_with_host(socket)
        .map_err(problem)?
        .with_request_modifier(url_safe_login);
    // An old daemon rejects requests of a newer API version.
    client.negotiate_version().await.map_err(problem)
}

/// Corrects the encoding of the login of a pull. The daemon decodes the header `X-Registry-Auth` as base64url
/// (<https://docs.docker.com/reference/api/engine/#section/Authentication>), but bollard encodes it as base64: `?`, `>` or `~` at certain
/// positions of a password would make the login unreadable.
fn url_safe_login(mut request: BollardRequest) -> BollardRequest {
    if let Some(value) = request.headers_mut().get_mut("x-registry-auth")
        && let Ok(text) = value.to_str().map(|text| text.replace('+', "-").replace('/', "_"))
        && let Ok(safe) = text.try_into()
    {
        *value = safe;
    }
    request
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::*;

    /// A daemon that answers requests by their order, one a connection: a status and a JSON body.
    fn daemon(socket: &Path, answers: Vec<(u16, String)>) {
        let listener = UnixListener::bind(socket).unwrap();
        std::thread::spawn(move || {
            for (status, body) in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).unwrap();
                write!(
                    reader.get_mut(),
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        });
    }

    #[tokio::test]
    async fn removal_in_progress_is_awaited() {
        let list = format!(r#"[{{"Id": "c1", "Labels": {{"{JOB_LABEL}": "imax-1"}}}}]"#);
        let busy = (409, r#"{"message": "removal of container c1 is already in progress"}"#.to_owned());
        let gone = (404, r#"{"message": "No such container: c1"}"#.to_owned());
        for (answers, is_removed) in [
            (vec![busy.clone(), (200, r#"{"StatusCode": 137}"#.to_owned())], true),
            (vec![busy, gone.clone()], true),
            (vec![gone], true),
            (vec![(500, r#"{"message": "driver failed"}"#.to_owned())], false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("docker.sock");
            daemon(&socket, std::iter::once((200, list.clone())).chain(answers.clone()).collect());
            let client = Client::connect_with_unix(&socket.display().to_string(), 60, bollard::API_DEFAULT_VERSION).unwrap();
            let removed = remove_labelled(&client, "imax-1", Duration::from_secs(60)).await;
            assert_eq!(removed.is_ok(), is_removed, "{answers:?}: {removed:?}");
        }
    }
}
