//! Runs into the history of a results API. They are read here, so that the server is sent documents alone.

use super::files::no_point;
use super::{PublishError, PublishRequest, Published, Refused, intake};
use crate::analysis::Quarantined;
use crate::store::database::IngestCounts;
use crate::store::server::{PostedRuns, ServerAddress, post};

pub(super) async fn publish(to: &ServerAddress, request: &PublishRequest) -> Result<Published, PublishError> {
    let mut runs = Vec::new();
    let mut refused = Vec::new();
    for file in &intake::files(&request.sources)? {
        let found = intake::read(file, &request.sources)?;
        runs.extend(found.runs);
        let unfit = found.published.iter().map(no_point);
        let prices = (!found.prices.is_empty()).then(|| {
            let reason = "a results API takes runs alone; import prices into the history that it serves";
            Quarantined::new("prices", reason.to_owned(), "")
        });
        let quarantined = found.quarantined.into_iter().chain(unfit).chain(prices);
        refused.extend(quarantined.map(|row| Refused::of(&found.source, row)));
    }
    let mut published = Published {
        counts: IngestCounts {
            quarantined: refused.len() as u64,
            ..IngestCounts::default()
        },
        refused,
        is_kept: false,
    };
    if runs.is_empty() || (!published.refused.is_empty() && !request.partial) {
        return Ok(published);
    }
    let posted = PostedRuns {
        runs: &runs,
        dry_run: request.dry_run,
    };
    let counts = post(to, &posted).await?;
    published.counts.merge(IngestCounts {
        runs: counts.runs,
        points: counts.points,
        evals: counts.evals,
        ..IngestCounts::default()
    });
    published.is_kept = !request.dry_run;
    Ok(published)
}
