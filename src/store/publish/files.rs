//! Runs into a store of files. It keeps no quarantine: what was not understood is said, and with `partial` the rest is stored.

use chrono::Utc;

use super::{PublishError, PublishRequest, Published, Refused, intake};
use crate::analysis::{DatedPrice, Quarantined};
use crate::result::PublishedResult;
use crate::store::branch::{self, Branch, BranchAddress};
use crate::store::bucket::{self, Bucket, BucketAddress};
use crate::store::database::IngestCounts;
use crate::store::run_files::NewRun;

pub(super) async fn publish_to_branch(to: &BranchAddress, request: &PublishRequest) -> Result<Published, PublishError> {
    let branch = Branch::connect(to)?;
    let Found {
        runs,
        prices,
        mut published,
    } = read(request)?;
    if !published.refused.is_empty() && !request.partial {
        return Ok(published);
    }
    let appended = branch::append(&branch, &runs, Utc::now(), request.dry_run, &request.work).await?;
    if !prices.is_empty() {
        branch.add_prices(&prices, Utc::now(), request.dry_run).await?;
    }
    published.counts.merge(appended.counts);
    published.is_kept = !request.dry_run;
    Ok(published)
}

pub(super) async fn publish_to_bucket(to: &BucketAddress, request: &PublishRequest) -> Result<Published, PublishError> {
    let bucket = Bucket::connect(to)?;
    let Found {
        runs,
        prices,
        mut published,
    } = read(request)?;
    if !published.refused.is_empty() && !request.partial {
        return Ok(published);
    }
    let counts = bucket::publish(&bucket, &runs, Utc::now(), request.dry_run, &request.work).await?;
    if !prices.is_empty() {
        bucket.add_prices(&prices, Utc::now(), request.dry_run).await?;
    }
    published.counts.merge(counts);
    published.is_kept = !request.dry_run;
    Ok(published)
}

/// The content of the sources, and what of it was not understood.
struct Found {
    runs: Vec<NewRun>,
    prices: Vec<DatedPrice>,
    published: Published,
}

fn read(request: &PublishRequest) -> Result<Found, PublishError> {
    let mut runs = Vec::new();
    let mut prices = Vec::new();
    let mut refused = Vec::new();
    for file in &intake::files(&request.sources)? {
        let found = intake::read(file, &request.sources)?;
        let mut quarantined = found.quarantined;
        prices.extend(found.prices);
        for run in found.runs {
            let name = format!("run of {} {}", run.commit, run.date);
            match NewRun::of(run) {
                Ok(run) => runs.push(run),
                Err(error) => quarantined.push(Quarantined::new(name, error.to_string(), "")),
            }
        }
        quarantined.extend(found.published.iter().map(no_point));
        refused.extend(quarantined.into_iter().map(|row| Refused::of(&found.source, row)));
    }
    let counts = IngestCounts {
        quarantined: refused.len() as u64,
        ..IngestCounts::default()
    };
    let published = Published {
        counts,
        refused,
        is_kept: false,
    };
    Ok(Found { runs, prices, published })
}

/// A result of another benchmark, which is not a point of a curve: only databases have a table for it.
pub(super) fn no_point(result: &PublishedResult) -> Quarantined {
    let reason = "a result of another benchmark, which only a database can hold; import it with --to FILE.db";
    Quarantined::new(result.id.clone().unwrap_or_default(), reason, "")
}
