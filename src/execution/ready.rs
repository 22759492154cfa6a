//! The phase ready: waits until the engine answers its health check and generates one token, and asks for its version.

use std::time::Duration;

use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::interruption::{Interruption, PhaseError};
use super::load_settings::{LoadTarget, engine_target};
use super::phase::RunningPhase;
use crate::fleet::launcher::EngineAddress;
use crate::fleet::readiness::{NotReady, Ready, Target, WRONG_API_LIMIT, probe_until_ready};
use crate::job::{FailureClass, JobFailure, VERSION_PATHS, version_in_answer, version_in_log};
use crate::model::with_causes;
use crate::system::http_client::{Question, send};

/// Timeout of requests for the engine's version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct ReadyEngine {
    pub target: LoadTarget,
    pub version: Option<EngineVersion>,
}

pub(super) struct EngineVersion {
    pub version: String,
    /// The path of the engine's API that returned it, or `log`.
    pub source: String,
}

/// Waits until the engine serves the model.
pub(super) async fn wait_for_engine(ctx: &JobContext, phase: &RunningPhase, engine: &LaunchedEngine) -> Result<ReadyEngine, PhaseError> {
    let address = engine.address(ctx.port);
    let ready = wait_for_token(ctx, phase, engine, &address).await?;
    ctx.console
        .line(&format!("the engine serves {} on port {}", ready.served_model, address.port));
    let target = LoadTarget {
        address,
        served_model: ready.served_model,
    };
    let version = engine_version(ctx, &target).await;
    if let Some(known) = &version {
        ctx.console.line(&format!("engine version {}", known.version));
    }
    Ok(ReadyEngine { target, version })
}

async fn wait_for_token(
    ctx: &JobContext,
    phase: &RunningPhase,
    engine: &LaunchedEngine,
    address: &EngineAddress,
) -> Result<Ready, PhaseError> {
    let backend = &ctx.spec.profile.load.backend;
    let server = engine_target(backend, address).map_err(|error| JobFailure::new(FailureClass::Invalid, with_causes(&error)))?;
    let health_path = ctx.spec.profile.health_path.as_deref();
    let target = Target {
        health_path: health_path.unwrap_or(server.protocol.default_health_path()).to_owned(),
        server,
        tls: None,
        model: ctx.spec.row.model.to_string(),
        wrong_api_limit: WRONG_API_LIMIT,
    };
    tokio::select! {
        biased;
        interruption = engine.interrupted(&ctx.cancellation) => Err(interruption.into()),
        ready = probe_until_ready(&target, phase.time_left()) => ready.map_err(|error| match error {
            NotReady::Timeout { waited, last } => Interruption::DeadlineExceeded {
                limit: waited,
                status: Some(last),
            }
            .into(),
            // A retry would fail in the same way.
            NotReady::WrongApi { .. } => JobFailure::new(FailureClass::Invalid, error.to_string()).into(),
        }),
    }
}

/// The engine's version, from its API or else from its log; `None` for engines that report none.
async fn engine_version(ctx: &JobContext, target: &LoadTarget) -> Option<EngineVersion> {
    let answered = tokio::select! {
        version = version_from_engine(target) => version,
        _ = ctx.cancellation.cancelled() => None,
    };
    answered.or_else(|| {
        let log = ctx.log.tail(&ctx.secrets);
        let version = version_in_log(&log)?;
        let source = "log".to_owned();
        Some(EngineVersion { version, source })
    })
}

async fn version_from_engine(target: &LoadTarget) -> Option<EngineVersion> {
    for path in VERSION_PATHS {
        let question = Question::get(&target.address.host, target.address.port, path);
        let Ok(answer) = send(&question, VERSION_TIMEOUT).await else {
            continue;
        };
        let version = (answer.status == 200).then(|| version_in_answer(&answer.body)).flatten();
        if let Some(version) = version {
            let source = path.to_owned();
            return Some(EngineVersion { version, source });
        }
    }
    None
}
