//! Answers that are whole: statistics that are computed once, here, and short lists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::SnapshotError;
use super::ask::{Asker, Row, text, whole};
use super::index::Scope;
use super::shards::Shards;
use crate::analysis::{Comparison, Verdict};
use crate::model::with_causes;

/// Lists that are answered whole.
const WHOLE: [&str; 15] = [
    "/api/v1/facets",
    "/api/v1/projects",
    "/api/v1/evals",
    "/api/v1/annotations",
    "/api/v1/hardware",
    "/api/v1/prices",
    "/api/v1/mlperf",
    "/api/v1/quarantine",
    "/api/v1/accuracy",
    "/api/v1/versions",
    "/api/v1/architectures",
    "/api/v1/mlperf-derived",
    "/api/v1/mlperf-datasets",
    "/api/v1/regressions",
    "/api/v1/operations",
];
/// Lists that are answered for each branch.
const OF_BRANCHES: [&str; 3] = ["/api/v1/facets", "/api/v1/changes", "/api/v1/regressions"];
/// Threads of a branch whose bisections are written, the newest first.
const BISECTED: usize = 50;
/// Interactivities at which frontiers are read: those that the pages offer.
const INTERACTIVITIES: [&str; 8] = ["10", "20", "30", "50", "75", "100", "150", "200"];
const TOKENS: [&str; 3] = ["total", "input", "output"];
/// Points of a history whose deployments and past costs are written: a row of theirs has all columns of a point.
const MOST_WHOLE: i64 = 20_000;
/// Points of a run whose comparisons are written: a point of them has a kilobyte.
const MOST_COMPARED: i64 = 4_000;
/// Runs that are compared with the one before, of the history and of each branch.
const COMPARED_RUNS: usize = 10;

/// The answers by their paths.
struct Answers<'a> {
    asker: &'a mut Asker,
    shards: &'a mut Shards,
    names: BTreeMap<String, String>,
}

impl Answers<'_> {
    /// Asks, and keeps the answer under the path without `hidden` parameters.
    async fn keep(&mut self, route: &str, parameters: &[(&str, &str)], hidden: &[(&str, &str)]) -> Result<(), SnapshotError> {
        let all: Vec<(&str, &str)> = parameters.iter().chain(hidden).copied().collect();
        let content: Value = match self.asker.get(route, &all).await {
            Ok(content) => content,
            // The pages say what they have no answer to; the rest of them is right all the same.
            Err(error @ SnapshotError::Answer { .. }) => {
                tracing::warn!(error = with_causes(&error), "an answer is left out of the pages");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let kind = route.rsplit('/').next().unwrap_or("answer");
        let name = self.shards.put(kind, &content)?;
        self.names.insert(path(route, parameters), name);
        Ok(())
    }
}

/// A path with its parameters in order and as they are, as `canonical` of `web/src/source/answers.ts` writes it.
fn path(route: &str, parameters: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort_by(|one, other| one.encode_utf16().cmp(other.encode_utf16()));
    if pairs.is_empty() {
        return route.to_owned();
    }
    format!("{route}?{}", pairs.join("&"))
}

/// Writes the answers of a history.
///
/// # Errors
/// [`SnapshotError`].
pub(super) async fn write(
    asker: &mut Asker,
    shards: &mut Shards,
    branches: &[String],
    runs: &[Row],
    scope: Scope<'_>,
    points: i64,
) -> Result<BTreeMap<String, String>, SnapshotError> {
    let mut answers = Answers {
        asker,
        shards,
        names: BTreeMap::new(),
    };
    for route in WHOLE {
        answers.keep(route, &[], &[]).await?;
    }
    let at: Vec<(&str, &str)> = INTERACTIVITIES.iter().map(|at| ("at", *at)).collect();
    for branch in branches {
        let branch = [("branch", branch.as_str())];
        for route in OF_BRANCHES {
            answers.keep(route, &branch, &[]).await?;
        }
        answers.keep("/api/v1/frontier", &branch, &at).await?;
        bisections(&mut answers, branch[0].1).await?;
        // A row of them names all points of an annotation.
        if points <= MOST_WHOLE {
            answers.keep("/api/v1/annotated", &branch, &[]).await?;
        }
        if branch[0].1 != "main" {
            cheapest(&mut answers, &branch).await?;
        }
    }
    answers.keep("/api/v1/versions", &[("family", "rhaiis")], &[]).await?;
    cheapest(&mut answers, &[]).await?;
    costs_of_providers(&mut answers).await?;
    if points <= MOST_WHOLE {
        answers.keep("/api/v1/deployments", &[], &[]).await?;
        answers.keep("/api/v1/costs", &[], &[]).await?;
        for tokens in TOKENS {
            answers.keep("/api/v1/costs", &[("tokens", tokens)], &[]).await?;
        }
    }
    match scope {
        Scope::History => comparisons(&mut answers, branches, runs).await?,
        Scope::Run(None) => {}
        Scope::Run(Some(comparison)) => {
            let sets = [("base", comparison.base.as_str()), ("head", comparison.head.as_str())];
            let name = answers.shards.put("compare", &compared(comparison))?;
            answers.names.insert(path("/api/v1/compare", &sets), name);
        }
    }
    Ok(answers.names)
}

/// What lies between the runs of each thread, as the page of regressions asks for it: without a branch for `main`.
async fn bisections(answers: &mut Answers<'_>, branch: &str) -> Result<(), SnapshotError> {
    let (threads, _) = answers.asker.page("/api/v1/regressions", &[("branch", branch)], None).await?;
    for thread in threads.iter().take(BISECTED) {
        let thread = ("thread", text(thread, "thread"));
        let mut parameters = vec![thread];
        if branch != "main" {
            parameters.push(("branch", branch));
        }
        answers.keep("/api/v1/bisection", &parameters, &[]).await?;
    }
    Ok(())
}

/// What the page of costs asks for without objectives.
async fn cheapest(answers: &mut Answers<'_>, selection: &[(&str, &str)]) -> Result<(), SnapshotError> {
    let usual = [("imports", "true"), ("configurations", "true"), ("limit", "1000")];
    let all: Vec<(&str, &str)> = selection.iter().copied().chain(usual).collect();
    answers.keep("/api/v1/cheapest", &all, &[]).await?;
    for tokens in TOKENS {
        let of_tokens: Vec<(&str, &str)> = all.iter().copied().chain([("tokens", tokens)]).collect();
        answers.keep("/api/v1/cheapest", &of_tokens, &[]).await?;
    }
    Ok(())
}

/// Costs on `main` at the prices of each provider.
async fn costs_of_providers(answers: &mut Answers<'_>) -> Result<(), SnapshotError> {
    let (prices, _) = answers.asker.page("/api/v1/prices", &[], None).await?;
    let providers: BTreeSet<&str> = prices.iter().map(|price| text(price, "provider")).collect();
    for provider in providers {
        cheapest(answers, &[("provider", provider)]).await?;
    }
    Ok(())
}

/// Whether a comparison of the run is at most as large as other shards.
fn is_comparable(run: &Row) -> bool {
    whole(run, "points") <= MOST_COMPARED
}

/// Comparisons of the newest runs, each with the one before it in the history and on its branch.
async fn comparisons(answers: &mut Answers<'_>, branches: &[String], runs: &[Row]) -> Result<(), SnapshotError> {
    let mut pairs: BTreeSet<(i64, i64)> = BTreeSet::new();
    let of_branches = branches
        .iter()
        .map(|branch| runs.iter().filter(move |run| text(run, "branch") == branch).collect());
    let lists = std::iter::once(runs.iter().collect::<Vec<&Row>>()).chain(of_branches);
    for list in lists {
        let compared = list
            .windows(2)
            .take(COMPARED_RUNS)
            .filter(|pair| is_comparable(pair[0]) && is_comparable(pair[1]));
        pairs.extend(compared.map(|pair| (whole(pair[1], "id"), whole(pair[0], "id"))));
    }
    for (base, head) in pairs {
        let (base, head) = (format!("run:{base}"), format!("run:{head}"));
        answers.keep("/api/v1/compare", &[("base", &base), ("head", &head)], &[]).await?;
    }
    Ok(())
}

/// The comparison in the form of `/api/v1/compare`.
fn compared(comparison: &Comparison) -> Value {
    let counts: Map<String, Value> = Verdict::ALL
        .into_iter()
        .map(|verdict| (verdict.as_str().to_owned(), json!(comparison.count(verdict))))
        .collect();
    let unpaired = comparison.points.iter().filter_map(|point| {
        let (only_in, reason) = match point.verdict {
            Verdict::New => ("head", "the base has no numbers of it"),
            Verdict::Missing => ("base", "the run has no such point"),
            Verdict::Failed => ("base", "it failed in the run"),
            Verdict::Worse | Verdict::Better | Verdict::Unsure | Verdict::Same => return None,
        };
        Some(json!({ "point": point.point.to_string(), "key": point.point, "only_in": only_in, "reason": reason }))
    });
    json!({ "counts": counts, "comparison": comparison, "unpaired": unpaired.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_in_order() {
        assert_eq!(path("/api/v1/facets", &[]), "/api/v1/facets");
        let parameters = [("head", "run:2"), ("base", "run:1"), ("at", "50"), ("at", "100")];
        assert_eq!(
            path("/api/v1/compare", &parameters),
            "/api/v1/compare?at=100&at=50&base=run:1&head=run:2"
        );
    }
}
