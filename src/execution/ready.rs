//! The phase ready: the engine answers its health check, gives one token, and says its version.

use std::ops::ControlFlow;
use std::time::Duration;

use super::blocking::blocking;
use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::interruption::{Interruption, PhaseError};
use super::load_settings::LoadTarget;
use super::phase::RunningPhase;
use crate::fleet::engine_log;
use crate::fleet::readiness::{NotReady, Ready, Target, wait_until_ready};
use crate::job::{VERSION_PATHS, version_in_answer, version_in_log};
use crate::system::cancellation::CancelCause;
use crate::system::plain_http::{Question, ask};

/// How long the engine has to answer the question for its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(5);

/// An engine that serves a model.
pub(super) struct ReadyEngine {
    pub target: LoadTarget,
    pub version: Option<EngineVersion>,
}

pub(super) struct EngineVersion {
    pub version: String,
    /// The path of the engine that gave it, or `log`.
    pub source: String,
}

/// Waits until the engine serves the model.
pub(super) async fn wait_for_engine(ctx: &JobContext, phase: &RunningPhase, engine: &LaunchedEngine) -> Result<ReadyEngine, PhaseError> {
    let host = engine.host();
    let ready = wait_for_token(ctx, phase, engine, &host).await?;
    ctx.console
        .line(&format!("the engine serves {} on port {}", ready.served_model, ctx.port));
    let target = LoadTarget {
        host,
        port: ctx.port,
        served_model: ready.served_model,
    };
    let version = blocking(|| engine_version(ctx, &target));
    if let Some(known) = &version {
        ctx.console.line(&format!("engine version {}", known.version));
    }
    Ok(ReadyEngine { target, version })
}

async fn wait_for_token(ctx: &JobContext, phase: &RunningPhase, engine: &LaunchedEngine, host: &str) -> Result<Ready, PhaseError> {
    let target = Target {
        host: host.to_owned(),
        port: ctx.port,
        tls: None,
        health_path: ctx.spec.profile.health_path.clone(),
        model: ctx.spec.row.model.to_string(),
    };
    let limit = phase.time_left();
    let give_up = ctx.cancellation.child();
    let abandon = give_up.clone();
    let mut waiting = tokio::task::spawn_blocking(move || {
        wait_until_ready(&target, limit, &mut || match give_up.cause() {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        })
    });
    let waited = tokio::select! {
        biased;
        interruption = engine.interrupted(&ctx.cancellation) => {
            abandon.cancel(CancelCause::Abandoned);
            let _ = waiting.await;
            return Err(interruption.into());
        }
        waited = &mut waiting => waited,
    };
    match waited {
        Ok(Ok(ready)) => Ok(ready),
        Ok(Err(NotReady::Late { waited, last })) => Err(Interruption::DeadlineExceeded {
            limit: waited,
            status: Some(last),
        }
        .into()),
        // A signal was seen by the wait before it was seen here.
        Ok(Err(NotReady::Ended(()))) => Err(engine.interrupted(&ctx.cancellation).await.into()),
        Err(error) => Err(Interruption::EngineUnknown(error.to_string()).into()),
    }
}

/// The version that the engine itself gives, or its log. Some engines give none.
fn engine_version(ctx: &JobContext, target: &LoadTarget) -> Option<EngineVersion> {
    let answered = VERSION_PATHS.iter().find_map(|path| {
        let question = Question {
            host: &target.host,
            port: target.port,
            path,
            json: None,
            headers: &[],
            tls: None,
        };
        let answer = ask(question, VERSION_TIMEOUT, &mut || !ctx.cancellation.is_cancelled()).ok()?;
        let version = (answer.status == 200).then(|| version_in_answer(&answer.body)).flatten()?;
        let source = (*path).to_owned();
        Some(EngineVersion { version, source })
    });
    answered.or_else(|| {
        let log = engine_log::tail(&ctx.folders.server_log(), &ctx.secrets);
        let version = version_in_log(&log)?;
        let source = "log".to_owned();
        Some(EngineVersion { version, source })
    })
}
