//! The phases of a recipe that measures its engine itself: the wait in a queue, the start and the load, as far as the scheduler's queue and
//! the recipe's output tell them apart. They share one deadline, because imax does not know how long each may take.

use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until};

use super::blocking::blocking;
use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::interruption::{Interruption, PhaseError};
use super::phase::{PhaseJournal, RunningPhase};
use crate::fleet::launcher::QueueState;
use crate::job::{JobFailure, Phase, PhaseEnding, begins_load};
use crate::system::process::Ending;
use crate::system::untrusted::PositionedReader;

/// Pause between two looks at the recipe's output.
const OUTPUT_INTERVAL: Duration = Duration::from_millis(500);
/// The most output that one look reads, bytes.
const MAX_READ: u64 = 4 << 20;
/// The most of an unfinished line that is kept, bytes.
const MAX_LINE: usize = 64 << 10;

/// Waits for the recipe's exit.
pub(super) async fn wait_for_recipe(ctx: &JobContext, journal: &mut PhaseJournal, engine: &LaunchedEngine) -> Result<(), JobFailure> {
    if let Err(cancelled) = ctx.check_cancelled() {
        let phase = begin(ctx, journal, Phase::Ready, Instant::now());
        return Err(end(ctx, journal, phase, cancelled));
    }
    let mut stages = Stages {
        ctx,
        until: Instant::now() + ctx.spec.recipe_deadline().duration(),
        current: begin(ctx, journal, Phase::Ready, Instant::now() + ctx.spec.recipe_deadline().duration()),
        journal,
    };
    let interruption = stages.follow(engine).await;
    if interruption == Interruption::EngineExited(Ending::Exited(0)) {
        stages.end_well();
        Ok(())
    } else {
        let Stages { journal, current, .. } = stages;
        Err(end(ctx, journal, current, interruption.into()))
    }
}

fn begin(ctx: &JobContext, journal: &PhaseJournal, phase: Phase, until: Instant) -> RunningPhase {
    ctx.console.line(&format!("phase {phase}"));
    journal.begin_until(phase, until)
}

fn end(ctx: &JobContext, journal: &mut PhaseJournal, phase: RunningPhase, error: PhaseError) -> JobFailure {
    let (ending, failure) = ctx.explain(phase.phase(), error);
    journal.end(phase, ending, Some(failure.reason.clone()));
    failure
}

/// The phases of a recipe that runs.
struct Stages<'a> {
    ctx: &'a JobContext,
    journal: &'a mut PhaseJournal,
    current: RunningPhase,
    until: Instant,
}

impl Stages<'_> {
    /// Follows the recipe to its end.
    async fn follow(&mut self, engine: &LaunchedEngine) -> Interruption {
        let ctx = self.ctx;
        let interrupted = engine.interrupted(&ctx.cancellation);
        let load = load_began(ctx);
        tokio::pin!(interrupted, load);
        // A scheduler of imax's own has given the job its nodes before the recipe began.
        let has_own_queue = engine.queue_state() == QueueState::NoQueue;
        let mut known = QueueState::NoQueue;
        loop {
            let queue_until = self.current.began() + ctx.spec.profile.deadlines.of(Phase::Queue);
            let (is_queued, is_loading) = (self.current.phase() == Phase::Queue, self.current.phase() == Phase::Load);
            tokio::select! {
                biased;
                interruption = &mut interrupted => return interruption,
                () = &mut load, if !is_loading => self.enter(Phase::Load),
                state = engine.queue_state_change(&known), if has_own_queue && !is_loading => {
                    self.move_in_queue(&state);
                    known = state;
                }
                () = sleep_until(queue_until.into()), if is_queued => return queue_timeout(ctx, &known),
                () = sleep_until(self.until.into()) => return Interruption::RecipeTimeout {
                    limit: ctx.spec.recipe_deadline().duration(),
                },
            }
        }
    }

    fn move_in_queue(&mut self, state: &QueueState) {
        match state {
            QueueState::NoQueue => {}
            QueueState::Waiting { what, reason } => {
                if self.current.phase() != Phase::Queue {
                    self.ctx.console.line("phase queue");
                    // What the script did before it submitted its job is part of the wait.
                    self.current.rename(Phase::Queue);
                }
                self.ctx.console.line(&format!("{what} waits: {reason}"));
            }
            QueueState::Left { place } => {
                self.ctx.console.line(place);
                if self.current.phase() == Phase::Queue {
                    self.enter(Phase::Ready);
                }
            }
        }
    }

    /// Ends the current phase, and begins the next one.
    fn enter(&mut self, phase: Phase) {
        let next = begin(self.ctx, self.journal, phase, self.until);
        let ended = std::mem::replace(&mut self.current, next);
        self.journal.end(ended, PhaseEnding::Done, None);
    }

    /// Records the last phase of a recipe that ended well.
    fn end_well(self) {
        let Self { journal, mut current, .. } = self;
        let reason = (current.phase() != Phase::Load).then(|| {
            current.rename(Phase::Load);
            "the recipe's output does not tell its start and its load apart".to_owned()
        });
        journal.end(current, PhaseEnding::Done, reason);
    }
}

fn queue_timeout(ctx: &JobContext, state: &QueueState) -> Interruption {
    let status = match state {
        QueueState::Waiting { what, reason } => format!("{what} waits: {reason}"),
        QueueState::NoQueue | QueueState::Left { .. } => "the job waits".to_owned(),
    };
    Interruption::QueueTimeout {
        limit: ctx.spec.profile.deadlines.of(Phase::Queue),
        status,
    }
}

/// Resolves when the recipe's output shows that its load has begun.
async fn load_began(ctx: &JobContext) {
    let mut output = Output::default();
    while !blocking(|| output.begins_load(ctx).unwrap_or(false)) {
        sleep(OUTPUT_INTERVAL).await;
    }
}

/// The recipe's output, as far as it was read.
#[derive(Default)]
struct Output {
    offset: u64,
    /// The beginning of a line whose end was not written yet.
    line: Vec<u8>,
}

impl Output {
    /// Whether a new line shows that the load has begun.
    fn begins_load(&mut self, ctx: &JobContext) -> io::Result<bool> {
        let file = ctx.log.file();
        let mut read = Vec::new();
        let count = PositionedReader::at(&file, self.offset).take(MAX_READ).read_to_end(&mut read)?;
        self.offset += count as u64;
        self.line.extend(read);
        let end = self.line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.line.drain(..end).collect();
        let excess = self.line.len().saturating_sub(MAX_LINE);
        self.line.drain(..excess);
        Ok(String::from_utf8_lossy(&lines).lines().any(begins_load))
    }
}
