//! A started container: its log copied to the job's, its end noticed, its stop.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::Docker as Client;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder, LogsOptionsBuilder, StartContainerOptions,
    WaitContainerOptions,
};
use futures_util::StreamExt as _;
use nix::sys::signal::Signal;
use tokio::task::JoinHandle;

use super::client::{ANSWER, remove_labelled, within};
use super::plan::ContainerPlan;
use super::{DockerError, pull};
use crate::fleet::launcher::{Engine, LaunchError, LaunchRequest};
use crate::system::process::{Ending, StopReport};
use crate::system::runtime::{block_on, runtime};

/// How often a container that is being stopped is looked at.
const LOOK: Duration = Duration::from_millis(25);
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
    ending: Arc<Mutex<Option<Seen>>>,
    log: Option<JoinHandle<()>>,
    watch: JoinHandle<()>,
    /// Whether it was stopped, or could not be: the job's state then knows of it.
    stopped: bool,
}

impl Container {
    /// Follows a started container: copies its log and waits for its end in the background.
    pub(super) fn follow(client: Client, started: Started, log: &Path) -> Result<Self, DockerError> {
        let file = File::options().create(true).append(true).open(log)?;
        let runtime = runtime()?;
        let copy = runtime.spawn(copy_log(client.clone(), started.name.clone(), file.try_clone()?));
        let ending = Arc::new(Mutex::new(None));
        let watch = runtime.spawn(await_end(client.clone(), started.name.clone(), file, Arc::clone(&ending)));
        Ok(Self {
            client,
            started,
            ending,
            log: Some(copy),
            watch,
            stopped: false,
        })
    }

    fn seen(&self) -> Option<Seen> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a signal. A container that has ended by now refuses it, which the next look shows.
    ///
    /// # Errors
    /// Where the container engine does not answer.
    fn signal(&self, signal: &str) -> Result<(), DockerError> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let send = async {
            let _ = self.client.kill_container(&self.started.name, Some(options)).await;
            Ok(())
        };
        block_on(within(ANSWER, "signal the container", send))?
    }

    /// Ends what runs in it: politely, then by force.
    fn end(
        &self,
        name: &str,
        grace: Duration,
        limit: Duration,
        hurry: &dyn Fn() -> bool,
        report: &mut StopReport,
    ) -> Result<(), DockerError> {
        if self.seen().is_some() {
            return Ok(());
        }
        self.signal("SIGTERM")?;
        if self.wait(grace, hurry) {
            return Ok(());
        }
        report.killed.push(name.to_owned());
        self.signal("SIGKILL")?;
        self.wait(limit, &|| false);
        Ok(())
    }

    fn wait(&self, time: Duration, hurry: &dyn Fn() -> bool) -> bool {
        let until = Instant::now() + time;
        while self.seen().is_none() {
            if Instant::now() >= until || hurry() {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }
}

impl Engine for Container {
    fn poll(&mut self) -> Result<Option<Ending>, LaunchError> {
        match self.seen() {
            None => Ok(None),
            Some(Seen::Ended(ending)) => Ok(Some(ending)),
            Some(Seen::Lost(problem)) => Err(DockerError::Lost(problem).into()),
        }
    }

    fn stop(&mut self, grace: Duration, limit: Duration, hurry: &dyn Fn() -> bool) -> StopReport {
        self.stopped = true;
        let mut report = StopReport::default();
        let name = format!("container {}", self.started.name);
        if let Err(error) = self.end(&name, grace, limit, hurry, &mut report) {
            report.left.push(format!("{name}: {error}"));
            return report;
        }
        if let Some(copy) = self.log.take() {
            let stopped_copy = copy.abort_handle();
            let _ = block_on(async { tokio::time::timeout(LOG_END, copy).await });
            stopped_copy.abort();
        }
        let removed = block_on(remove_labelled(&self.client, &self.started.name, limit));
        if let Err(error) = removed.map_err(DockerError::Runtime).and_then(|removed| removed) {
            report.left.push(format!("{name}: {error}"));
        }
        report
    }

    fn host(&self) -> &str {
        "127.0.0.1"
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let facts = [("container_image", &self.started.image), ("image_digest", &self.started.digest)];
        facts.map(|(name, value)| (name.to_owned(), value.clone())).into()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !self.stopped {
            let _ = self.stop(Duration::ZERO, Duration::from_secs(2), &|| true);
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
async fn await_end(client: Client, name: String, mut file: File, ending: Arc<Mutex<Option<Seen>>>) {
    let mut lost = 0;
    let seen = loop {
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
                    break Seen::Ended(ending);
                }
            }
            Err(error) => {
                lost += 1;
                if lost >= LOOKS_BEFORE_LOST {
                    break Seen::Lost(error.to_string());
                }
            }
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    };
    *ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
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
