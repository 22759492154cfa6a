//! `--shard` and `--start-at`: a load that is divided among several clients.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use clap::Args;

use super::settings::ArgumentError;
use crate::load::{Shard, Stamp};
use crate::measure::BenchSettings;

#[derive(Debug, Clone, Args)]
pub struct ShardArgs {
    /// Send part I of N of the load, while N - 1 other clients with the same command line send theirs; `imax collect --shards` merges the
    /// results.
    #[arg(long, value_name = "I/N", requires = "save_result")]
    shard: Option<Shard>,
    /// Time at which the load starts, RFC 3339 or seconds since the Unix epoch; required with several shards.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    start_at: Option<Stamp>,
}

/// Maximum time until the start. A later start is more likely a value in milliseconds instead of seconds.
const LATEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Parses a time in RFC 3339 or seconds since the Unix epoch.
fn instant(text: &str) -> Result<Stamp, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        let since_epoch = Duration::try_from_secs_f64(seconds).map_err(|_| unexpected_instant(text))?;
        return Ok(Stamp::default().after(since_epoch));
    }
    let date = DateTime::parse_from_rfc3339(text).map_err(|_| unexpected_instant(text))?;
    let nanos = date.timestamp_nanos_opt().and_then(|nanos| u64::try_from(nanos).ok());
    nanos.map(Stamp::from_unix_nanos).ok_or_else(|| unexpected_instant(text))
}

fn unexpected_instant(text: &str) -> String {
    format!("expected a time such as 2030-01-31T08:00:00Z, or seconds since the Unix epoch (`date -d '+60 sec' +%s`), found {text:?}")
}

impl ShardArgs {
    /// Restricts the benchmark to one shard of its load.
    pub(super) fn apply(self, bench: &mut BenchSettings) -> Result<(), ArgumentError> {
        let Self { shard, start_at } = self;
        if let Some(start_at) = start_at {
            check_start(start_at)?;
            if bench.loads.len() != 1 || bench.num_runs.get() != 1 {
                return Err(ArgumentError::Combination(
                    "--start-at starts one run of one load: give one rate and one concurrency, without --num-runs, --calibrate-noise, \
                     --find-max and --sweep",
                ));
            }
        }
        let shard = shard.unwrap_or(Shard::WHOLE);
        if !shard.is_whole() && start_at.is_none() {
            return Err(ArgumentError::Combination(
                "--shard needs --start-at, the time at which all shards start, such as `$(date -d '+60 sec' +%s)` taken once for all of them",
            ));
        }
        let is_appended = bench.result_files.as_ref().is_some_and(|files| files.is_appended);
        if !shard.is_whole() && is_appended {
            return Err(ArgumentError::Combination(
                "--append-result excludes --shard: each shard has a file of its own",
            ));
        }
        for load in &mut bench.loads {
            let streams = load.arrival.max_concurrency.map_or(u32::MAX, std::num::NonZeroU32::get);
            if shard.of().get() > streams {
                return Err(ArgumentError::TooManyShards {
                    shards: shard.of().get(),
                    streams,
                });
            }
            load.shard = shard;
            load.start_at = start_at;
        }
        Ok(())
    }
}

fn check_start(start_at: Stamp) -> Result<(), ArgumentError> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Stamp::default().after(since_epoch);
    if start_at <= now {
        return Err(ArgumentError::StartPassed {
            ago_s: now.since(start_at).as_secs_f64(),
        });
    }
    if start_at.since(now) > LATEST {
        return Err(ArgumentError::StartFar {
            days: start_at.since(now).as_secs_f64() / 86_400.0,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn instants_of_both_forms() {
        let expected = Stamp::from_unix_nanos(1_893_456_000_500_000_000);
        for text in ["1893456000.5", "2030-01-01T00:00:00.5Z", "2030-01-01T01:00:00.500+01:00"] {
            assert_eq!(instant(text).unwrap(), expected, "{text}");
        }
        for text in ["", "tomorrow", "-5", "inf", "NaN", "2030-01-01", "1e300"] {
            assert!(
                instant(text).unwrap_err().contains("RFC 3339") || instant(text).unwrap_err().contains("such as"),
                "{text}"
            );
        }
    }
}
