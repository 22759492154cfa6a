//! Continuous batching as a function of time. The engine works in steps: each generates one token for every running request and
//! reads chunks of waiting prompts within a token budget; all tokens of a step are emitted at its end. Times
//! are durations since the server's start; nothing here reads a clock.

use std::collections::VecDeque;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;

use super::features::Features;
use super::model::{Deployment, StepCost};
use super::pace::Emission;
use super::prefix_cache::PrefixCache;

/// A request as the scheduler sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Identifies the request in [`Emission`].
    pub id: u64,
    /// Prompt length, tokens.
    pub prompt: u32,
    /// Tokens to generate, at least 1.
    pub output: u32,
}

/// A waiting request, with the blocks of its prompt.
#[derive(Debug)]
struct Waiting {
    job: Job,
    blocks: Vec<u64>,
}

#[derive(Debug)]
struct Running {
    job: Job,
    prompt_left: u32,
    generated: u32,
    /// Prompt tokens read in the present step.
    piece: u32,
    /// Tokens of the prompt that were in the prefix cache.
    cached: u32,
}

impl Running {
    fn is_done(&self) -> bool {
        self.generated >= self.job.output
    }
}

#[derive(Debug)]
pub struct Batching {
    deployment: Deployment,
    features: Features,
    cache: PrefixCache,
    random: ChaCha8Rng,
    waiting: VecDeque<Waiting>,
    running: Vec<Running>,
    /// KV cache that running requests may grow to, tokens.
    reserved: u64,
    /// The end of the present step.
    step_end: Option<Duration>,
}

impl Batching {
    #[must_use]
    pub fn new(deployment: Deployment, features: Features, seed: u64) -> Self {
        Self {
            deployment,
            features,
            cache: PrefixCache::default(),
            random: ChaCha8Rng::seed_from_u64(seed),
            waiting: VecDeque::new(),
            running: Vec::new(),
            reserved: 0,
            step_end: None,
        }
    }

    /// Whether a request of this size can ever run.
    #[must_use]
    pub fn fits(&self, job: &Job) -> bool {
        demand(job) <= self.deployment.kv_capacity_tokens
    }

    /// Numbers of running and of waiting requests.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (self.running.len(), self.waiting.len())
    }

    /// Prompt tokens that were in the prefix cache.
    #[must_use]
    pub fn cached_tokens(&self) -> u64 {
        self.cache.hits
    }

    /// Takes a request at `now`; `blocks` are the hashes of its prompt's blocks.
    pub fn admit(&mut self, job: Job, blocks: Vec<u64>, now: Duration) {
        self.waiting.push_back(Waiting { job, blocks });
        if self.step_end.is_none() {
            self.begin_step(now);
        }
    }

    /// Drops a request whose client disconnected. Its part of the present step still takes time.
    pub fn cancel(&mut self, id: u64) {
        self.waiting.retain(|waiting| waiting.job.id != id);
        if let Some(at) = self.running.iter().position(|running| running.job.id == id) {
            self.reserved -= demand(&self.running[at].job);
            self.running.remove(at);
        }
    }

    /// When the present step ends.
    #[must_use]
    pub fn next_event(&self) -> Option<Duration> {
        self.step_end
    }

    /// Finishes every step that ends by `now` and emits its tokens.
    pub fn advance(&mut self, now: Duration, mut emit: impl FnMut(Emission)) {
        while let Some(end) = self.step_end.filter(|end| *end <= now) {
            self.finish_step(end, &mut emit);
            self.begin_step(end);
        }
    }

    fn begin_step(&mut self, at: Duration) {
        self.admit_waiting();
        let mut cost = StepCost::default();
        let mut budget = self.deployment.batch_tokens;
        for running in self.running.iter_mut().filter(|running| running.prompt_left == 0) {
            running.piece = 0;
            // The proposed tokens go through the model together with the last one.
            let tokens = self.features.tokens_in_step();
            budget = budget.saturating_sub(tokens);
            cost.tokens += u64::from(tokens);
            cost.context_tokens += u64::from(running.job.prompt + running.generated);
        }
        for running in self.running.iter_mut().filter(|running| running.prompt_left > 0) {
            running.piece = running.prompt_left.min(budget);
            budget -= running.piece;
            cost.tokens += u64::from(running.piece);
            if running.piece > 0 {
                cost.context_tokens += u64::from(running.job.prompt - running.prompt_left);
            }
        }
        let decodes = self.running.iter().any(|running| running.prompt_left == 0);
        self.step_end = (cost.tokens > 0).then(|| {
            let drafts = self.features.draft_factor(decodes);
            let time = self.deployment.step_time(cost).mul_f64(drafts);
            at + self.features.vary(time, &mut self.random)
        });
    }

    /// Admits waiting requests in the order of their arrival, while there is room.
    fn admit_waiting(&mut self) {
        while let Some(job) = self.waiting.front().map(|waiting| waiting.job) {
            let has_room =
                self.running.len() < self.deployment.max_sequences && self.reserved + demand(&job) <= self.deployment.kv_capacity_tokens;
            if !has_room {
                return;
            }
            let Some(Waiting { blocks, .. }) = self.waiting.pop_front() else {
                return;
            };
            self.reserved += demand(&job);
            let cached = if self.features.prefix_cache {
                self.look_up(&job, &blocks)
            } else {
                0
            };
            self.running.push(Running {
                job,
                prompt_left: (job.prompt - cached).max(1),
                cached,
                generated: 0,
                piece: 0,
            });
        }
    }

    /// Tokens of a prompt that are cached. The cache has the memory that running requests leave.
    fn look_up(&mut self, job: &Job, blocks: &[u64]) -> u32 {
        let cached = self.cache.find(blocks, job.prompt);
        self.cache.touch(blocks);
        self.cache
            .shrink_to(self.deployment.kv_capacity_tokens.saturating_sub(self.reserved));
        cached
    }

    fn finish_step(&mut self, end: Duration, emit: &mut impl FnMut(Emission)) {
        let mut due = end;
        for running in &mut self.running {
            let was_reading = running.prompt_left > 0;
            running.prompt_left -= running.piece;
            if running.prompt_left > 0 || (was_reading && running.piece == 0) {
                continue;
            }
            let tokens = if was_reading { 1 } else { self.features.accepted(&mut self.random) };
            running.generated = (running.generated + tokens).min(running.job.output);
            emit(Emission {
                id: running.job.id,
                due,
                token: running.generated,
                is_last: running.is_done(),
                cached: running.cached,
            });
            due += self.deployment.output_spacing;
        }
        let freed: u64 = self
            .running
            .iter()
            .filter(|running| running.is_done())
            .map(|running| demand(&running.job))
            .sum();
        self.reserved -= freed;
        self.running.retain(|running| !running.is_done());
    }
}

/// KV cache that a request may grow to: reserved when it starts, so that no request is ever preempted.
fn demand(job: &Job) -> u64 {
    u64::from(job.prompt) + u64::from(job.output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Presets;
    use crate::sim::features::Speculation;
    use crate::sim::model::Parallel;

    fn deployment() -> Deployment {
        let presets = Presets::built_in().unwrap();
        let (gpu, model, engine) = (
            presets.hardware("h100").unwrap(),
            presets.model("demo").unwrap(),
            presets.engine("imax-sim:1.0").unwrap(),
        );
        Deployment::new(gpu, model, engine, "fp8", Parallel::of(1)).unwrap()
    }

    fn job(id: u64, prompt: u32, output: u32) -> Job {
        Job { id, prompt, output }
    }

    fn run(engine: &mut Batching, until: Duration) -> Vec<Emission> {
        let mut found = Vec::new();
        engine.advance(until, |emission| found.push(emission));
        found
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn one_request_takes_its_prefill_and_then_one_step_a_token() {
        let deployment = deployment();
        let mut engine = Batching::new(deployment.clone(), Features::default(), 0);
        let start = Duration::from_secs(5);
        engine.admit(job(7, 1000, 3), Vec::new(), start);
        let found = run(&mut engine, LONG);
        let prefill = deployment.step_time(StepCost {
            tokens: 1000,
            context_tokens: 0,
        });
        let decode = |context_tokens| deployment.step_time(StepCost { tokens: 1, context_tokens });
        let dues: Vec<Duration> = found.iter().map(|emission| emission.due).collect();
        let first = start + prefill;
        assert_eq!(dues, [first, first + decode(1001), first + decode(1001) + decode(1002)]);
        assert_eq!(
            found.iter().map(|emission| emission.is_last).collect::<Vec<_>>(),
            [false, false, true]
        );
        assert_eq!(engine.next_event(), None);
    }

    #[test]
    fn tokens_of_a_step_are_emitted_one_after_the_other() {
        let deployment = deployment();
        let mut engine = Batching::new(deployment.clone(), Features::default(), 0);
        for id in 0..4 {
            engine.admit(job(id, 10, 5), Vec::new(), Duration::ZERO);
        }
        let found = run(&mut engine, LONG);
        // The first was alone in the first step; the others arrived while it ran.
        let second_step: Vec<_> = found.iter().skip(1).take(4).collect();
        assert_eq!(second_step.iter().map(|emission| emission.id).collect::<Vec<_>>(), [0, 1, 2, 3]);
        for pair in second_step.windows(2) {
            assert_eq!(pair[1].due - pair[0].due, deployment.output_spacing);
        }
    }

    #[test]
    fn long_prompts_are_read_in_chunks_next_to_decoding() {
        let deployment = deployment();
        let budget = deployment.batch_tokens;
        let mut engine = Batching::new(deployment, Features::default(), 0);
        engine.admit(job(1, 8, 100), Vec::new(), Duration::ZERO);
        engine.admit(job(2, 3 * budget, 1), Vec::new(), Duration::ZERO);
        let found = run(&mut engine, LONG);
        let first_of_second = found.iter().position(|emission| emission.id == 2).unwrap();
        // Each chunk leaves one token of the budget to the decoding request, so four steps read three budgets.
        assert_eq!(found[..first_of_second].iter().filter(|emission| emission.id == 1).count(), 5);
    }

    #[test]
    fn requests_wait_for_memory_and_for_a_slot() {
        let mut deployment = deployment();
        deployment.kv_capacity_tokens = 250;
        let mut engine = Batching::new(deployment.clone(), Features::default(), 0);
        for id in 0..3 {
            engine.admit(job(id, 90, 10), Vec::new(), Duration::ZERO);
        }
        run(&mut engine, Duration::from_millis(20));
        assert_eq!(engine.load(), (2, 1));
        assert!(!engine.fits(&job(9, 250, 1)));
        assert_eq!(run(&mut engine, LONG).iter().filter(|emission| emission.id == 2).count(), 10);

        deployment.max_sequences = 1;
        let mut engine = Batching::new(deployment, Features::default(), 0);
        engine.admit(job(0, 10, 2), Vec::new(), Duration::ZERO);
        engine.admit(job(1, 10, 2), Vec::new(), Duration::ZERO);
        let order: Vec<u64> = run(&mut engine, LONG).iter().map(|emission| emission.id).collect();
        assert_eq!(order, [0, 0, 1, 1]);
    }

    #[test]
    fn cancelled_requests_free_their_slot() {
        let mut engine = Batching::new(deployment(), Features::default(), 0);
        engine.admit(job(0, 10, 1000), Vec::new(), Duration::ZERO);
        engine.admit(job(1, 10, 2), Vec::new(), Duration::ZERO);
        run(&mut engine, Duration::from_millis(30));
        engine.cancel(0);
        run(&mut engine, LONG);
        assert_eq!((engine.load(), engine.reserved, engine.next_event()), ((0, 0), 0, None));
    }

    #[test]
    fn cached_prompt_is_not_read_again() {
        let deployment = deployment();
        let features = Features {
            prefix_cache: true,
            ..Features::default()
        };
        let blocks: Vec<u64> = (0..500).collect();
        let ttft = |engine: &mut Batching, id, at: Duration| {
            engine.admit(job(id, 8000, 1), blocks.clone(), at);
            run(engine, at + LONG)[0].due - at
        };
        let mut engine = Batching::new(deployment.clone(), features, 0);
        let first = ttft(&mut engine, 0, Duration::ZERO);
        let second = ttft(&mut engine, 1, LONG);
        assert!(second < first / 5, "{first:?} {second:?}");
        assert_eq!(engine.cached_tokens(), 7999);
        // Without the cache it takes as long as the first time.
        let mut engine = Batching::new(deployment, Features::default(), 0);
        assert_eq!(ttft(&mut engine, 0, Duration::ZERO), ttft(&mut engine, 1, LONG));
    }

    #[test]
    fn speculation_emits_several_tokens_a_step_at_once() {
        let features = |acceptance| Features {
            speculation: Some(Speculation {
                tokens: 3,
                acceptance,
                draft_share: 0.0,
            }),
            ..Features::default()
        };
        let steps = |acceptance| {
            let mut engine = Batching::new(deployment(), features(acceptance), 0);
            engine.admit(job(0, 10, 4001), Vec::new(), Duration::ZERO);
            let found = run(&mut engine, LONG);
            assert_eq!((found.last().unwrap().token, found.last().unwrap().is_last), (4001, true));
            found.len() - 1
        };
        assert_eq!((steps(1.0), steps(0.0)), (1000, 4000));
        // One and the sum of the powers of a half: 1.875 tokens a step.
        assert!((2050..2220).contains(&steps(0.5)), "{}", steps(0.5));
    }
}
