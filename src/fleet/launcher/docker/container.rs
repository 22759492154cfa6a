//! A started container: its log copied to the job's, its end noticed, its stop.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
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
use tokio::task::JoinHandle;

use super::client::{ANSWER, remove_labelled, within};
use super::plan::ContainerPlan;
use super::{DockerError, pull};
use crate::fleet::launcher::{Engine, LaunchError, LaunchRequest};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::process::{Ending, StopReport};
use crate::system::runtime::block_on;

/// How often in a row a container that cannot be found is looked for.
const LOOKS_BEFORE_LOST: u32 = 5;
/// Pause between two such looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// How often, and how far apart, a killed container is looked at once more: little, because a cancelled job waits for it.
const LOOKS_FOR_OOM: u32 = 5;
const BETWEEN_LOOKS_FOR_OOM: Duration = Duration::from_millis(100);
/// How long the end of the log is waited for after the container has ended.
const LOG_END: Duration = Duration::from_secs(1);

/// A container that was started.
pub(super) struct Started {
    name: String,
    image: String,
    digest: String,
}

/// Pulls, creates and starts.
pub(super) async fn start(
    client: &Client,
    plan: &ContainerPlan,
    body: ContainerCreateBody,
    request: &LaunchRequest<'_>,
) -> Result<Started, DockerError> {
    let mut log = File::options().create(true).append(true).open(request.log)?;
    let digest = pull::image(client, &plan.image, plan.settings.pull, &mut log, request).await?;
    let problem = |what: &str| {
        let what = format!("{what} the container of {}", plan.image);
        move |source| DockerError::Request { what, source }
    };
    let options = CreateContainerOptionsBuilder::new().name(&plan.name).build();
    client.create_container(Some(options), body).await.map_err(problem("create"))?;
    client
        .start_container(&plan.name, None::<StartContainerOptions>)
        .await
        .map_err(problem("start"))?;
    Ok(Started {
        name: plan.name.clone(),
        image: plan.image.clone(),
        digest,
    })
}

/// What became of a container.
#[derive(Debug, Clone)]
enum Seen {
    /// It ended.
    Ended(Ending),
    /// The container engine is gone, or it does not know the container any more.
    Lost(String),
}

/// A running container. Dropping it removes it.
pub(super) struct Container {
    client: Client,
    started: Started,
    /// What the watch saw.
    seen: watch::Receiver<Option<Seen>>,
    log: Option<JoinHandle<()>>,
    watch: JoinHandle<Option<Seen>>,
    /// Whether it was stopped, or could not be: the job's state then knows of it.
    stopped: bool,
}

impl Container {
    /// Follows a started container: copies its log and waits for its end in the background.
    pub(super) fn follow(client: Client, started: Started, log: &Path) -> Result<Self, DockerError> {
        let file = File::options().create(true).append(true).open(log)?;
        let copy = tokio::spawn(copy_log(client.clone(), started.name.clone(), file.try_clone()?));
        let (sender, seen) = watch::channel(None);
        let (watched, name) = (client.clone(), started.name.clone());
        let watch = tokio::spawn(async move { sender.send_replace(Some(await_end(watched, name, file).await)) });
        Ok(Self {
            client,
            started,
            seen,
            log: Some(copy),
            watch,
            stopped: false,
        })
    }

    /// Resolves when it has ended or is lost.
    async fn over(&self) -> Seen {
        let mut seen = self.seen.clone();
        match seen.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(seen)) => seen.clone(),
            Ok(None) | Err(_) => Seen::Lost("it is not watched any more".to_owned()),
        }
    }

    /// Sends a signal. A container that has ended by now refuses it, which its watch shows.
    ///
    /// # Errors
    /// Where the container engine does not answer.
    async fn signal(&self, signal: &str) -> Result<(), DockerError> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let send = async {
            let _ = self.client.kill_container(&self.started.name, Some(options)).await;
            Ok(())
        };
        within(ANSWER, "signal the container", send).await
    }

    /// Ends what runs in it: politely, then by force.
    async fn end(
        &self,
        name: &str,
        grace: Duration,
        limit: Duration,
        hurry: &Cancellation,
        report: &mut StopReport,
    ) -> Result<(), DockerError> {
        if self.seen.borrow().is_some() {
            return Ok(());
        }
        self.signal("SIGTERM").await?;
        let is_over = tokio::select! {
            biased;
            _ = self.over() => true,
            _ = hurry.cancelled() => false,
            () = tokio::time::sleep(grace) => false,
        };
        if is_over {
            return Ok(());
        }
        report.killed.push(name.to_owned());
        self.signal("SIGKILL").await?;
        let _ = tokio::time::timeout(limit, self.over()).await;
        Ok(())
    }

    async fn end_and_remove(&mut self, grace: Duration, limit: Duration, hurry: &Cancellation) -> StopReport {
        let mut report = StopReport::default();
        let name = format!("container {}", self.started.name);
        if let Err(error) = self.end(&name, grace, limit, hurry, &mut report).await {
            report.left.push(format!("{name}: {error}"));
            return report;
        }
        if let Some(mut copy) = self.log.take() {
            let _ = tokio::time::timeout(LOG_END, &mut copy).await;
            copy.abort();
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
            match self.over().await {
                Seen::Ended(ending) => Ok(ending),
                Seen::Lost(problem) => Err(DockerError::Lost(problem).into()),
            }
        })
    }

    fn stop<'a>(&'a mut self, grace: Duration, limit: Duration, hurry: &'a Cancellation) -> BoxFuture<'a, StopReport> {
        Box::pin(async move {
            let report = self.end_and_remove(grace, limit, hurry).await;
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
    }
}

async fn copy_log(client: Client, name: String, mut file: File) {
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
    let mut lines = std::pin::pin!(client.logs(&name, Some(options)));
    while let Some(Ok(output)) = lines.next().await {
        let _ = file.write_all(&output.into_bytes());
    }
}

/// Waits for the container's end. The connection of the wait may end before the container does, so its state decides.
async fn await_end(client: Client, name: String, mut file: File) -> Seen {
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
                    if state.oom_killed == Some(true) || is_killed && is_oom_said_later(&client, &name).await {
                        let _ = writeln!(file, "imax: the kernel killed the container: out of memory (oom-kill)");
                    }
                    return Seen::Ended(ending);
                }
            }
            Err(error) => {
                lost += 1;
                if lost >= LOOKS_BEFORE_LOST {
                    return Seen::Lost(error.to_string());
                }
            }
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// A container engine hears of a container's end and of the kernel's lack of memory apart, and may write down the second later.
async fn is_oom_said_later(client: &Client, name: &str) -> bool {
    for _ in 0..LOOKS_FOR_OOM {
        tokio::time::sleep(BETWEEN_LOOKS_FOR_OOM).await;
        match client.inspect_container(name, None::<InspectContainerOptions>).await {
            Ok(container) => {
                if container.state.unwrap_or_default().oom_killed == Some(true) {
                    return true;
                }
            }
            // It is removed by now.
            Err(_) => return false,
        }
    }
    false
}

/// A container that a signal ended has 128 and the signal's number as its exit code.
fn ending_of(code: i64) -> Ending {
    match i32::try_from(code).unwrap_or(-1) {
        code @ 129..=192 => Ending::Signalled(code - 128),
        code => Ending::Exited(code),
    }
}
