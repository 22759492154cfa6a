//! The use case of `imax bench --find-max` and `--sweep`: measures the loads that the search asks for, and writes what it found.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bench::{BenchError, BenchEvent, BenchObserver, BenchOutcome, BenchSettings, SEED_STEP, loads, run_once};
use super::result_files::Suffixes;
use crate::load::search::judgement::{SeriesFigures, requests_for_certainty};
use crate::load::search::{Bracket, Judgement, LoadQuantity, Objective, Saturation, Tally};
use crate::load::settings::MetricName;
use crate::load::{BenchmarkSettings, Measured};
use crate::system::cancellation::Cancellation;
use crate::system::files;

/// What to search for, and how.
#[derive(Debug, Clone)]
pub struct SearchSettings {
    /// How loads are measured. The first load is the template. A load without a certain verdict is measured again, `num_runs` times at
    /// most.
    pub bench: BenchSettings,
    /// What is varied.
    pub quantity: LoadQuantity,
    /// The first load.
    pub from: f64,
    /// The highest load.
    pub limit: f64,
    /// What ends the search.
    pub goal: SearchGoal,
    /// Whether the number of requests follows from the load, because the user named none.
    pub scales_requests: bool,
    /// Time after which no further load begins.
    pub time_limit: Option<Duration>,
}

/// What a search is for.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchGoal {
    /// The highest load that meets the objectives.
    Objectives {
        /// The objectives.
        objectives: Vec<Objective>,
        /// The search ends when the highest load that met them and the lowest that missed them differ by at most this fraction of the
        /// former.
        precision: f64,
    },
    /// The load at which the throughput stops growing.
    Saturation,
}

/// A measured load of a search, with its throughput and verdicts.
#[derive(Debug, Clone, PartialEq)]
pub struct TriedLoad {
    /// The load.
    pub load: f64,
    /// How often it was measured.
    pub runs: u32,
    /// Output tokens a second of the last run.
    pub output_tokens_per_s: f64,
    /// Requests a second of the last run.
    pub requests_per_s: f64,
    /// The verdict on each objective.
    pub judgements: Vec<(Objective, Judgement)>,
    /// Whether the requests failed, so that no objective can be met.
    pub has_failed: bool,
}

impl TriedLoad {
    /// Whether every objective is met.
    #[must_use]
    pub fn is_met(&self) -> bool {
        !self.has_failed && self.judgements.iter().all(|(_, judgement)| judgement.is_met())
    }

    fn json(&self, quantity: LoadQuantity) -> Value {
        let objectives = self
            .judgements
            .iter()
            .map(|(objective, judgement)| (objective.to_string(), judgement.as_str().into()));
        json!({
            quantity.as_str(): self.load,
            "runs": self.runs,
            "output_throughput": self.output_tokens_per_s,
            "request_throughput": self.requests_per_s,
            "objectives": Value::Object(objectives.collect()),
            "failed": self.has_failed,
            "met": self.is_met(),
        })
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResult {
    /// What was varied.
    pub quantity: LoadQuantity,
    /// The loads in the order in which they were measured.
    pub tried: Vec<TriedLoad>,
    /// The highest load that met the objectives, or the load with the highest throughput; `None` if no load qualifies.
    pub best: Option<f64>,
    /// The lowest load that missed an objective, if any.
    pub beyond: Option<f64>,
    /// Whether the verdicts on `best` and `beyond` are certain.
    pub is_certain: bool,
    /// Whether the time limit ended it.
    pub is_cut_short: bool,
}

impl SearchResult {
    fn json(&self, goal: &SearchGoal) -> Value {
        let quantity = self.quantity;
        let name = match goal {
            SearchGoal::Objectives { .. } => "find_max",
            SearchGoal::Saturation => "sweep",
        };
        json!({
            "schema_version": 1,
            "producer": concat!("imax ", env!("CARGO_PKG_VERSION")),
            "search": name,
            "quantity": quantity.as_str(),
            "best": self.best,
            "beyond": self.beyond,
            "certain": self.is_certain,
            "cut_short": self.is_cut_short,
            "loads": self.tried.iter().map(|tried| tried.json(quantity)).collect::<Vec<_>>(),
        })
    }
}

/// How a search ended.
#[derive(Debug)]
pub enum SearchOutcome {
    /// The search ended by itself or at its time limit.
    Found(SearchResult),
    /// A signal ended the search, or there was no load to vary.
    Ended(BenchOutcome),
}

/// Measures until the search has its answer. Each run is a [`BenchEvent::Measured`] and, where results are saved, a result file; the
/// answer is a separate file next to them.
///
/// # Errors
/// As [`super::bench`].
pub fn search(settings: &SearchSettings, stop: &Cancellation, observe: &mut BenchObserver<'_>) -> Result<SearchOutcome, BenchError> {
    let templates = loads(&settings.bench, stop, observe)?;
    let deadline = settings.time_limit.map(|limit| Instant::now() + limit);
    let Some(template) = templates.first() else {
        return Ok(SearchOutcome::Ended(BenchOutcome::Failed));
    };
    let mut course = Course::new(settings);
    let mut tried: Vec<TriedLoad> = Vec::new();
    let mut runs_before = 0;
    let mut last = None;
    let mut is_cut_short = false;
    while let Some(load) = course.next(settings) {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            is_cut_short = true;
            break;
        }
        let (measured, found) = match try_load(settings, template, load, &mut runs_before, stop, observe)? {
            Tried::Measured(measured, found) => (measured, found),
            Tried::Ended(outcome) => return Ok(SearchOutcome::Ended(outcome)),
        };
        course.note(&found);
        last = Some(measured);
        tried.push(found);
    }
    let result = SearchResult {
        is_cut_short,
        ..course.result(settings.quantity, tried)
    };
    if let (Some(result_files), Some(measured)) = (&settings.bench.result_files, &last) {
        let path = result_files.search_path(measured);
        files::write_json(&path, &result.json(&settings.goal)).map_err(super::ResultFileError::from)?;
        observe(BenchEvent::Saved(&path))?;
    }
    Ok(SearchOutcome::Found(result))
}

/// The state of the search for either goal.
enum Course {
    Bracket(Bracket),
    Saturation(Saturation),
}

impl Course {
    fn new(settings: &SearchSettings) -> Self {
        match settings.goal {
            SearchGoal::Objectives { precision, .. } => {
                Self::Bracket(Bracket::new(settings.quantity, settings.from, settings.limit, precision))
            }
            SearchGoal::Saturation => Self::Saturation(Saturation::default()),
        }
    }

    fn next(&self, settings: &SearchSettings) -> Option<f64> {
        match self {
            Self::Bracket(bracket) => bracket.next(),
            Self::Saturation(saturation) => saturation.next(settings.from, settings.limit),
        }
    }

    fn note(&mut self, found: &TriedLoad) {
        match self {
            Self::Bracket(bracket) => bracket.note(found.load, found.is_met()),
            Self::Saturation(saturation) => {
                saturation.note(found.load, if found.has_failed { 0.0 } else { found.output_tokens_per_s });
            }
        }
    }

    fn result(&self, quantity: LoadQuantity, tried: Vec<TriedLoad>) -> SearchResult {
        let (best, beyond) = match self {
            Self::Bracket(bracket) => (bracket.highest_met(), bracket.lowest_missed()),
            Self::Saturation(_) => {
                let usable = tried.iter().filter(|tried| !tried.has_failed);
                let best = usable.max_by(|a, b| a.output_tokens_per_s.total_cmp(&b.output_tokens_per_s));
                (best.map(|tried| tried.load), None)
            }
        };
        let mut deciding = tried.iter().filter(|tried| [best, beyond].contains(&Some(tried.load)));
        let is_certain = deciding.all(|tried| tried.has_failed || tried.judgements.iter().all(|(_, judgement)| judgement.is_certain()));
        SearchResult {
            is_certain,
            quantity,
            tried,
            best,
            beyond,
            is_cut_short: false,
        }
    }
}

enum Tried {
    Measured(Box<Measured>, TriedLoad),
    Ended(BenchOutcome),
}

/// Measures a load until its verdict is certain, `num_runs` times at most.
fn try_load(
    settings: &SearchSettings,
    template: &BenchmarkSettings,
    load: f64,
    runs_before: &mut u64,
    stop: &Cancellation,
    observe: &mut BenchObserver<'_>,
) -> Result<Tried, BenchError> {
    let objectives = match &settings.goal {
        SearchGoal::Objectives { objectives, .. } => objectives.as_slice(),
        SearchGoal::Saturation => &[],
    };
    let mut tallies = vec![Tally::default(); objectives.len()];
    let mut runs = 0;
    loop {
        let sized = sized(settings, objectives, template, load, *runs_before);
        *runs_before += 1;
        runs += 1;
        let measured = run_once(&settings.bench, &sized, stop, observe)?;
        observe(BenchEvent::Measured(&measured))?;
        if let Some(result_files) = &settings.bench.result_files {
            let run = if runs > 1 { format!("-run{runs}") } else { String::new() };
            let path = result_files.save(
                &measured,
                Suffixes {
                    several_loads: true,
                    run: &run,
                },
            )?;
            observe(BenchEvent::Saved(&path))?;
        }
        if let Some(cause) = stop.cause() {
            return Ok(Tried::Ended(BenchOutcome::Stopped(cause)));
        }
        let has_failed = measured.has_failed() || lags(settings.quantity, &measured);
        let failed = measured.run.records.len().saturating_sub(measured.completed());
        for (tally, objective) in tallies.iter_mut().zip(objectives) {
            tally.add(figures(settings.quantity, &measured, objective), measured.completed(), failed);
        }
        let judgements: Vec<(Objective, Judgement)> = tallies
            .iter()
            .zip(objectives)
            .map(|(tally, objective)| (*objective, tally.judge(objective)))
            .collect();
        // One objective that is missed for certain decides, whatever the others are.
        let is_decided = has_failed
            || judgements.iter().any(|(_, judgement)| *judgement == Judgement::Missed)
            || judgements.iter().all(|(_, judgement)| judgement.is_certain());
        if is_decided || runs >= settings.bench.num_runs.get() {
            let throughput = measured.throughput();
            let found = TriedLoad {
                load,
                runs,
                output_tokens_per_s: throughput.output_tokens,
                requests_per_s: throughput.requests,
                judgements,
                has_failed,
            };
            return Ok(Tried::Measured(Box::new(measured), found));
        }
    }
}

/// The settings of one run: arrivals, number of requests, and a seed that gives prompts that no earlier run sent.
fn sized(
    settings: &SearchSettings,
    objectives: &[Objective],
    template: &BenchmarkSettings,
    load: f64,
    runs_before: u64,
) -> BenchmarkSettings {
    let mut sized = template.clone();
    sized.arrival = settings.quantity.arrival(&template.arrival, load);
    sized.seed = template.seed.wrapping_add(runs_before.wrapping_mul(SEED_STEP));
    if settings.scales_requests {
        let certain = objectives.iter().map(requests_for_certainty).max().unwrap_or(100);
        let usual = settings.quantity.usual_requests(load).get();
        // With a duration this is the number of distinct prompts: enough that a fast server gets no repeated one that is in its prefix
        // cache.
        let usual = usual.saturating_mul(if template.duration.is_some() { DISTINCT_PROMPTS } else { 1 });
        // A quarter more, so that one slow request does not make a p99 uncertain at once.
        sized.num_prompts = NonZeroU32::new(usual.max(certain.saturating_add(certain / 4))).unwrap_or(NonZeroU32::MIN);
    }
    sized
}

/// Distinct prompts of a load with a duration, as a multiple of the usual requests.
const DISTINCT_PROMPTS: u32 = 4;

/// A load fails if the client sent less than this fraction of the requested rate.
const LEAST_SENT_PART: f64 = 0.9;

fn lags(quantity: LoadQuantity, measured: &Measured) -> bool {
    // The rate of the drawn schedule, not the nominal one: for a hundred Poisson arrivals the two easily differ by a tenth.
    let asked = measured.run.health.asked_rate;
    match (quantity, asked) {
        (LoadQuantity::Rate, Some(asked)) => measured.sent_rate().is_some_and(|sent| sent < asked * LEAST_SENT_PART),
        (LoadQuantity::Rate | LoadQuantity::Concurrency, _) => false,
    }
}

/// The values of an objective's metric. With a rate, times count from the instant at which a request was due, because waiting in the
/// client's queue is part of the user's latency.
fn figures(quantity: LoadQuantity, measured: &Measured, objective: &Objective) -> SeriesFigures {
    let metrics = &measured.metrics;
    let values = match (objective.metric, quantity) {
        (MetricName::Ttft, LoadQuantity::Concurrency) => &metrics.ttft_ms,
        (MetricName::Ttft, LoadQuantity::Rate) => &metrics.scheduled_ttft_ms,
        (MetricName::Tpot, _) => &metrics.tpot_ms,
        (MetricName::Itl, _) => return SeriesFigures::of_distribution(&metrics.itl_ms, objective.limit_ms),
        (MetricName::E2el, LoadQuantity::Concurrency) => &metrics.e2el_ms,
        (MetricName::E2el, LoadQuantity::Rate) => &metrics.scheduled_e2el_ms,
    };
    SeriesFigures::of_values(values, objective.limit_ms)
}
