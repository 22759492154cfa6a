//! Talking to a container engine: connecting, asking for its version, removing a job's containers. Every request that is
//! not the work itself has a short limit, because an engine that hangs must not keep a cancelled job.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use bollard::{BollardRequest, Docker as Client};

use super::DockerError;
use super::plan::JOB_LABEL;
use crate::fleet::launcher::{LaunchError, Removal};
use crate::system::cancellation::Cancellation;
use crate::system::runtime;

/// How long an engine has to answer where a job is cleaned up.
pub(super) const ANSWER: Duration = Duration::from_secs(2);
/// How long it has to remove a container: its processes end and its layers are unmounted.
const REMOVAL: Duration = Duration::from_secs(20);

/// What the container engine says of itself. Blocks the thread.
///
/// # Errors
/// A sentence that says why it does not answer.
pub(super) fn container_engine_version(socket: &str, limit: Duration, stop: &Cancellation) -> Result<String, String> {
    let version = async {
        let ask = async {
            let client = connect(socket).await.map_err(|error| error.to_string())?;
            client.version().await.map_err(|error| error.to_string())
        };
        tokio::select! {
            version = ask => version,
            () = tokio::time::sleep(limit) => Err(format!("no answer from {socket} within {limit:?}")),
            _ = stop.cancelled() => Err(format!("{socket} was not waited for: ended by a signal")),
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

/// Removes the containers that carry the job's label. Says whether there were any.
///
/// # Errors
/// Where the container engine cannot be reached, refuses, or does not answer in time; [`LaunchError::Stopped`] where a signal came.
pub(super) async fn remove_containers(socket: &str, removal: &Removal<'_>) -> Result<bool, LaunchError> {
    let Removal { job, stop, until } = removal;
    let work = async {
        let client = within(ANSWER, "connect", connect(socket)).await?;
        remove_labelled(&client, job.as_str(), REMOVAL).await
    };
    tokio::select! {
        removed = work => Ok(removed?),
        _ = stop.cancelled() => Err(LaunchError::Stopped),
        () = tokio::time::sleep_until((*until).into()) => Err(LaunchError::Late("removing the container".to_owned())),
    }
}

/// The same over a connection, with the longest time for each container.
pub(super) async fn remove_labelled(client: &Client, job: &str, limit: Duration) -> Result<bool, DockerError> {
    let filters = HashMap::from([("label", vec![format!("{JOB_LABEL}={job}")])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let list = async {
        client.list_containers(Some(options)).await.map_err(|source| DockerError::Request {
            what: "list containers".to_owned(),
            source,
        })
    };
    let list = within(ANSWER, "list containers", list).await?;
    // The filter is the engine's work; that each really carries the label is looked at again before it is removed.
    let ours = list.iter().filter(|container| {
        let labels = container.labels.as_ref();
        labels.and_then(|labels| labels.get(JOB_LABEL)).is_some_and(|label| label == job)
    });
    let ids: Vec<String> = ours.filter_map(|container| container.id.clone()).collect();
    for id in &ids {
        let what = format!("remove the container {id}");
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removal = async {
            let removed = client.remove_container(id, Some(options)).await;
            removed.map_err(|source| DockerError::Request {
                what: what.clone(),
                source,
            })
        };
        within(limit, &what, removal).await?;
    }
    Ok(!ids.is_empty())
}

/// The work, with an end to waiting for it.
pub(super) async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = Result<T, DockerError>>) -> Result<T, DockerError> {
    let late = |_| DockerError::NoAnswer {
        what: what.to_owned(),
        limit,
    };
    tokio::time::timeout(limit, work).await.map_err(late)?
}

/// A connection, once the engine has said which version of the API it speaks.
pub(super) async fn connect(socket: &str) -> Result<Client, DockerError> {
    let problem = |source| DockerError::Connect {
        socket: socket.to_owned(),
        source,
    };
    let client = Client::connect_with_host(socket)
        .map_err(problem)?
        .with_request_modifier(url_safe_login);
    // Old engines refuse requests of a newer version of the API.
    client.negotiate_version().await.map_err(problem)
}

/// Engines read the login of a pull as base64url (<https://docs.docker.com/reference/api/engine/#section/Authentication>), the
/// client library writes base64: with a `?`, a `>` or a `~` at certain places of a password the engine would see no login.
fn url_safe_login(mut request: BollardRequest) -> BollardRequest {
    if let Some(value) = request.headers_mut().get_mut("x-registry-auth")
        && let Ok(text) = value.to_str().map(|text| text.replace('+', "-").replace('/', "_"))
        && let Ok(safe) = text.try_into()
    {
        *value = safe;
    }
    request
}
