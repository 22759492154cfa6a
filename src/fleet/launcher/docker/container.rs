//! A running container: copies its output to the job's log, waits for its end, stops and removes it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use bollard::Docker as Client;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder, LogsOptionsBuilder, StartContainerOptions,
    WaitContainerOptions,
};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use nix::sys::signal::Signal;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use super::client::{REQUEST_TIMEOUT, remove_labelled, with_timeout};
use super::plan::ContainerPlan;
use super::{DockerError, pull};
use crate::fleet::engine_log::EngineLog;
use crate::fleet::launcher::{Engine, LaunchError, LaunchRequest};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::process::{Ending, StopReport};
use crate::system::runtime::block_on;

/// Failed inspections in a row after which a container counts as lost.
const INSPECTIONS_BEFORE_LOST: u32 = 5;
/// Pause between two inspections.
const INSPECTION_INTERVAL: Duration = Duration::from_millis(500);
/// How often, and at which interval, a killed container is inspected for a report of the OOM killer. Briefly, because a cancelled job
/// waits for it.
const OOM_INSPECTIONS: u32 = 5;
const OOM_INTERVAL: Duration = Duration::from_millis(100);
/// How long to wait for the end of the log after the container has ended.
const LOG_END_TIMEOUT: Duration = Duration::from_secs(2);

/// A container that was created and started.
pub(super) struct StartedContainer {
    name: String,
    image: String,
    /// The image's digest in its registry, or else its id.
    digest: String,
}

/// Pulls the image, creates the container and starts it.
pub(super) async fn start(
    client: &Client,
    plan: &ContainerPlan,
    create_request: ContainerCreateBody,
    request: &LaunchRequest<'_>,
) -> Result<StartedContainer, DockerError> {
    let mut log = request.log.file().try_clone()?;
    let digest = pull::ensure_image(client, &plan.image, plan.settings.pull, &mut log, request).await?;
    let problem = |what: &str| {
        let what = format!("{what} the container of {}", plan.image);
        move |source| DockerError::Request { what, source }
    };
    let options = CreateContainerOptionsBuilder::new().name(&plan.name).build();
    client
        .create_container(Some(options), create_request)
        .await
        .map_err(problem("create"))?;
    client
        .start_container(&plan.name, None::<StartContainerOptions>)
        .await
        .map_err(problem("start"))?;
    Ok(StartedContainer {
        name: plan.name.clone(),
        image: plan.image.clone(),
        digest,
    })
}

#[derive(Debug, Clone)]
enum ContainerState {
    Ended(Ending),
    /// The daemon stopped, or does not have the container any more.
    Lost(String),
}

/// A running container. Dropping it removes it.
pub(super) struct Container {
    client: Client,
    started: StartedContainer,
    /// `None` while it runs.
    state: watch::Receiver<Option<ContainerState>>,
    /// The task that copies its output to the job's log.
    log: AbortHandle,
    /// The task that waits for its end.
    watch: JoinHandle<()>,
    /// Whether [`Engine::stop`] was called. If it failed, the container stays in the job's state file, and a later clean-up removes it.
    stopped: bool,
}

impl Container {
    /// Follows a started container: copies its log and waits for its end in the background.
    pub(super) fn follow(client: Client, started: StartedContainer, log: &EngineLog) -> Result<Self, DockerError> {
        let file = log.file().try_clone()?;
        let mut copy = tokio::spawn(copy_log(client.clone(), started.name.clone(), file.try_clone()?));
        let log = copy.abort_handle();
        let (sender, state) = watch::channel(None);
        let (watched, name) = (client.clone(), started.name.clone());
        let watch = tokio::spawn(async move {
            let state = await_end(watched, name, file).await;
            // Whoever sees the end looks into the log for its cause.
            let _ = tokio::time::timeout(LOG_END_TIMEOUT, &mut copy).await;
            copy.abort();
            sender.send_replace(Some(state));
        });
        Ok(Self {
            client,
            started,
            state,
            log,
            watch,
            stopped: false,
        })
    }

    /// Resolves when it has ended or is lost.
    async fn wait_for_end(&self) -> ContainerState {
        let mut state = self.state.clone();
        match state.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(state)) => state.clone(),
            Ok(None) | Err(_) => ContainerState::Lost("the task that watches it has ended".to_owned()),
        }
    }

    /// Sends a signal. The daemon's error is ignored: a container that has just ended rejects signals, and its end is reported elsewhere.
    ///
    /// # Errors
    /// If the daemon does not answer.
    async fn signal(&self, signal: &str) -> Result<(), DockerError> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let send = async {
            let _ = self.client.kill_container(&self.started.name, Some(options)).await;
            Ok(())
        };
        with_timeout(REQUEST_TIMEOUT, "signal the container", send).await
    }

    /// Stops its processes: SIGTERM, then SIGKILL after `grace` or when `hurry` is cancelled. Waits at most `limit` after SIGKILL.
    async fn terminate(
        &self,
        name: &str,
        grace: Duration,
        limit: Duration,
        hurry: &Cancellation,
        report: &mut StopReport,
    ) -> Result<(), DockerError> {
        if self.state.borrow().is_some() {
            return Ok(());
        }
        self.signal("SIGTERM").await?;
        let has_ended = tokio::select! {
            biased;
            _ = self.wait_for_end() => true,
            _ = hurry.cancelled() => false,
            () = tokio::time::sleep(grace) => false,
        };
        if has_ended {
            return Ok(());
        }
        report.killed.push(name.to_owned());
        self.signal("SIGKILL").await?;
        let _ = tokio::time::timeout(limit, self.wait_for_end()).await;
        Ok(())
    }

    async fn terminate_and_remove(&mut self, grace: Duration, limit: Duration, hurry: &Cancellation) -> StopReport {
        let mut report = StopReport::default();
        let name = format!("container {}", self.started.name);
        if let Err(error) = self.terminate(&name, grace, limit, hurry, &mut report).await {
            report.left.push(format!("{name}: {error}"));
            return report;
        }
        if let Err(error) = remove_labelled(&self.client, &self.started.name, limit).await {
            report.left.push(format!("{name}: {error}"));
        }
        report
    }
}

impl Engine for Container {
    fn ended(&self) -> BoxFuture<'_, Result<Ending, LaunchError>> {
        Box::pin(async {
            match self.wait_for_end().await {
                ContainerState::Ended(ending) => Ok(ending),
                ContainerState::Lost(problem) => Err(DockerError::Lost(problem).into()),
            }
        })
    }

    fn stop<'a>(&'a mut self, grace: Duration, limit: Duration, hurry: &'a Cancellation) -> BoxFuture<'a, StopReport> {
        Box::pin(async move {
            let report = self.terminate_and_remove(grace, limit, hurry).await;
            self.stopped = true;
            report
        })
    }

    fn host(&self) -> String {
        "127.0.0.1".to_owned()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let facts = [("container_image", &self.started.image), ("image_digest", &self.started.digest)];
        facts.map(|(name, value)| (name.to_owned(), value.clone())).into()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !self.stopped {
            let hurry = Cancellation::new();
            hurry.cancel(CancelCause::Abandoned);
            let _ = block_on(self.stop(Duration::ZERO, Duration::from_secs(2), &hurry));
        }
        self.watch.abort();
        self.log.abort();
    }
}

async fn copy_log(client: Client, name: String, mut file: File) {
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
    let mut lines = std::pin::pin!(client.logs(&name, Some(options)));
    while let Some(Ok(output)) = lines.next().await {
        let _ = file.write_all(&output.into_bytes());
    }
}

/// Waits for the container's end. The connection of the API's `wait` may break before the container ends, so its state is inspected
/// after each `wait`.
async fn await_end(client: Client, name: String, mut file: File) -> ContainerState {
    let mut lost = 0;
    loop {
        {
            let mut waits = std::pin::pin!(client.wait_container(&name, None::<WaitContainerOptions>));
            let _ = waits.next().await;
        }
        match client.inspect_container(&name, None::<InspectContainerOptions>).await {
            Ok(container) => {
                lost = 0;
                let state = container.state.unwrap_or_default();
                if state.running != Some(true) {
                    let ending = ending_of(state.exit_code.unwrap_or(-1));
                    let is_killed = ending == Ending::Signalled(Signal::SIGKILL as i32);
                    if state.oom_killed == Some(true) || is_killed && is_oom_reported_late(&client, &name).await {
                        let _ = writeln!(file, "imax: the kernel killed the container: out of memory (oom-kill)");
                    }
                    return ContainerState::Ended(ending);
                }
            }
            Err(error) => {
                lost += 1;
                if lost >= INSPECTIONS_BEFORE_LOST {
                    return ContainerState::Lost(error.to_string());
                }
            }
        }
        tokio::time::sleep(INSPECTION_INTERVAL).await;
    }
}

/// The daemon is notified of a container's end and of an OOM kill separately, and may report the latter later.
async fn is_oom_reported_late(client: &Client, name: &str) -> bool {
    for _ in 0..OOM_INSPECTIONS {
        tokio::time::sleep(OOM_INTERVAL).await;
        match client.inspect_container(name, None::<InspectContainerOptions>).await {
            Ok(container) => {
                if container.state.unwrap_or_default().oom_killed == Some(true) {
                    return true;
                }
            }
            // The container was removed in the meantime.
            Err(_) => return false,
        }
    }
    false
}

/// A container ended by a signal has 128 plus the signal's number as its exit code.
fn ending_of(code: i64) -> Ending {
    match i32::try_from(code).unwrap_or(-1) {
        code @ 129..=192 => Ending::Signalled(code - 128),
        code => Ending::Exited(code),
    }
}
