//! Options of a search for a load: `--find-max` and `--sweep`.

use std::num::NonZeroU32;

use clap::{Args, ValueEnum};

use super::settings::{ArgumentError, positive, within};
use crate::load::search::{LoadQuantity, Objective};
use crate::measure::{BenchSettings, SearchGoal, SearchSettings};

#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// Find the highest load that meets the objectives of --slo: `concurrency`, the number of requests in flight (default), or `rate`.
    #[arg(long, value_enum, value_name = "QUANTITY", num_args = 0..=1, default_missing_value = "concurrency", requires = "slo")]
    find_max: Option<QuantityArg>,
    /// Objective, such as `ttft:p99<500` (ms); can be repeated.
    #[arg(long, value_name = "METRIC:STATISTIC<MS", num_args = 1.., requires = "find_max")]
    slo: Vec<Objective>,
    /// Double the load, starting at --search-from, until the throughput no longer grows.
    #[arg(long, value_enum, value_name = "QUANTITY", num_args = 0..=1, default_missing_value = "concurrency", conflicts_with = "find_max")]
    sweep: Option<QuantityArg>,
    /// First load of a search.
    #[arg(long, value_name = "LOAD", default_value_t = 1.0)]
    search_from: f64,
    /// Highest load of a search.
    #[arg(long, value_name = "LOAD", default_value_t = 4096.0)]
    search_limit: f64,
    /// End --find-max when the lowest load that misses the objectives exceeds the highest that meets them by at most this fraction.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.05)]
    search_precision: f64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum QuantityArg {
    /// Requests in flight.
    Concurrency,
    /// Requests per second.
    Rate,
}

impl From<QuantityArg> for LoadQuantity {
    fn from(quantity: QuantityArg) -> Self {
        match quantity {
            QuantityArg::Concurrency => Self::Concurrency,
            QuantityArg::Rate => Self::Rate,
        }
    }
}

/// Runs of a load whose verdict is uncertain, unless --num-runs is higher.
const UNCERTAIN_RUNS: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);

impl SearchArgs {
    /// The value of `--search-limit`, at most `highest`.
    pub(super) fn limit_within(&self, highest: f64) -> f64 {
        self.search_limit.floor().clamp(1.0, highest)
    }

    pub(super) fn is_requested(&self) -> bool {
        self.find_max.is_some() || self.sweep.is_some()
    }

    /// The search; `None` without --find-max and --sweep.
    pub(super) fn into_search(self, bench: &BenchSettings, scales_requests: bool) -> Result<Option<SearchSettings>, ArgumentError> {
        let Self {
            find_max,
            slo,
            sweep,
            search_from,
            search_limit,
            search_precision,
        } = self;
        let Some(quantity) = find_max.or(sweep).map(LoadQuantity::from) else {
            return Ok(None);
        };
        check_arrivals(quantity, bench)?;
        if bench.loads.iter().any(|load| load.start_at.is_some()) {
            return Err(ArgumentError::Combination(
                "--find-max and --sweep measure several loads; they exclude --shard and --start-at, which apply to a single load",
            ));
        }
        let precision = within(
            "--search-precision",
            search_precision,
            (0.001..=1.0).contains(&search_precision),
            "a fraction from 0.001 to 1",
        )?;
        let from = positive("--search-from", search_from)?;
        let is_valid = search_limit >= from && search_limit <= 1e6;
        let limit = within("--search-limit", search_limit, is_valid, "at least --search-from, up to 1,000,000")?;
        let (from, limit) = match quantity {
            LoadQuantity::Concurrency => (from.ceil(), limit.floor().max(from.ceil())),
            LoadQuantity::Rate => (from, limit),
        };
        let mut bench = bench.clone();
        bench.num_runs = bench
            .num_runs
            .max(if find_max.is_some() { UNCERTAIN_RUNS } else { NonZeroU32::MIN });
        for load in &mut bench.loads {
            // Above the server's capacity, every request of a load may fail.
            load.abort_error_share = load.abort_error_share.or(Some(load.max_error_share));
        }
        Ok(Some(SearchSettings {
            bench,
            quantity,
            from,
            limit,
            goal: if find_max.is_some() {
                SearchGoal::Objectives {
                    objectives: slo,
                    precision,
                }
            } else {
                SearchGoal::Saturation
            },
            scales_requests,
            time_limit: None,
        }))
    }
}

fn check_arrivals(quantity: LoadQuantity, bench: &BenchSettings) -> Result<(), ArgumentError> {
    let is_set = bench.loads.iter().any(|load| match quantity {
        LoadQuantity::Concurrency => load.arrival.max_concurrency.is_some(),
        LoadQuantity::Rate => load.arrival.request_rate.is_some() || load.arrival.ramp.is_some(),
    });
    if is_set || bench.loads.len() != 1 {
        return Err(ArgumentError::Combination(
            "--find-max and --sweep set --max-concurrency or --request-rate themselves: leave it out; --search-from and --search-limit bound it",
        ));
    }
    if bench.loads.iter().any(|load| load.has_conversations()) {
        return Err(ArgumentError::Combination(
            "--find-max and --sweep measure single requests, not conversations",
        ));
    }
    Ok(())
}
