//! A run: the points of one workflow run. If there is a plan, each of its points appears, measured or with the reason why not, and
//! each contradiction is a [`Problem`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Conditions, EvalScore, RunRecord};
use crate::model::PointKey;
use crate::result::{Point, PointOutcome};

/// All points of one workflow run, sorted by their keys; each key occurs once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Run {
    pub points: Vec<Point>,
    /// Contradictions between plan and results.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// The scores of evaluations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evals: Vec<EvalScore>,
    /// Its jobs, and how the values of its points were distributed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<RunRecord>,
    /// When, where and with what it was measured, as far as job records say.
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    pub conditions: Conditions,
    /// The origin of each point, for a run that is assembled from a history; empty for a run that was measured as a whole.
    #[serde(skip)]
    pub origins: BTreeMap<PointKey, Origin>,
}

/// The run in which a point was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its index in the history.
    #[serde(skip)]
    pub index: usize,
    /// Whether a newer run measured other points of its curve.
    #[serde(skip)]
    pub is_older: bool,
    pub commit: String,
    /// RFC 3339.
    pub date: String,
}

/// A contradiction that was found while a run was assembled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "kebab-case")]
pub enum Problem {
    /// Planned, but there is neither a result nor a job record.
    Missing {
        /// The planned point.
        point: PointKey,
    },
    /// Measured more than once; the newest counts.
    Duplicated {
        point: PointKey,
        /// The files of its results; the first one counts.
        sources: Vec<String>,
    },
    /// Measured without being planned.
    Unexpected {
        point: PointKey,
        /// Where its result is.
        source: String,
    },
    /// A file that looks like a result, but cannot be read as one.
    Unreadable { source: String, reason: String },
    /// Measured, but its figures are doubtful.
    Doubtful {
        point: PointKey,
        /// Where its result is.
        source: String,
        /// Codes of the reasons.
        codes: Vec<String>,
    },
    /// The run is of a pull request from a fork, and is reported by a workflow of the base.
    Fork {
        /// owner/name
        repository: String,
    },
}

/// A point as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub source: String,
    /// The point, measured or failed.
    pub point: Point,
    /// When its load ended, seconds since 1970.
    pub ended_unix_s: Option<f64>,
    /// Codes of doubts about its figures.
    pub doubts: Vec<String>,
}

/// A run, and the files of its measured points, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assembly {
    pub run: Run,
    /// The sources of the measured points.
    pub sources: Vec<String>,
}

/// How many of the points planned on a kind of hardware were measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct HardwareStats {
    pub n_success: usize,
    pub total: usize,
}

/// Puts a run together. `planned` holds a failed point for each point of the plan, or is `None` without a plan.
#[must_use]
pub fn assemble(mut found: Vec<Found>, planned: Option<Vec<Point>>) -> Assembly {
    let mut assembly = Assembly::default();
    if let Some(planned) = planned {
        add_missing(&mut found, &mut assembly.run.problems, planned);
    }
    // Sorted and split into groups of equal keys: a map of lists would allocate for each of a hundred thousand points.
    found.sort_unstable_by(|left, right| left.point.key.cmp(&right.point.key));
    let mut rest = found.into_iter().peekable();
    while let Some(first) = rest.next() {
        let mut items = vec![first];
        while let Some(item) = rest.next_if(|item| items.first().is_some_and(|first| first.point.key == item.point.key)) {
            items.push(item);
        }
        let (counted, duplicates) = choose(items);
        let Some(item) = counted else { continue };
        if let Some(sources) = duplicates {
            let point = item.point.key.clone();
            assembly.run.problems.push(Problem::Duplicated { point, sources });
        }
        if !item.doubts.is_empty() && item.point.measurement().is_some() {
            assembly.run.problems.push(Problem::Doubtful {
                point: item.point.key.clone(),
                source: item.source.clone(),
                codes: item.doubts,
            });
        }
        assembly.sources.extend(item.point.measurement().map(|_| item.source));
        assembly.run.points.push(item.point);
    }
    assembly
}

fn add_missing(found: &mut Vec<Found>, problems: &mut Vec<Problem>, planned: Vec<Point>) {
    let expected: BTreeSet<&PointKey> = planned.iter().map(|point| &point.key).collect();
    let mut unexpected: Vec<&Found> = found.iter().filter(|item| !expected.contains(&item.point.key)).collect();
    unexpected.sort_by_key(|item| (&item.point.key, &item.source));
    problems.extend(unexpected.into_iter().map(|item| Problem::Unexpected {
        point: item.point.key.clone(),
        source: item.source.clone(),
    }));
    let mut there: BTreeSet<PointKey> = found.iter().map(|item| item.point.key.clone()).collect();
    for point in planned {
        if there.insert(point.key.clone()) {
            problems.push(Problem::Missing { point: point.key.clone() });
            found.push(Found {
                source: String::new(),
                point,
                ended_unix_s: None,
                doubts: Vec::new(),
            });
        }
    }
}

/// The item that counts: numbers before failures, newer before older. With the sources, if there are several measurements.
fn choose(mut items: Vec<Found>) -> (Option<Found>, Option<Vec<String>>) {
    items.sort_by(|left, right| {
        let order = right.is_measured().cmp(&left.is_measured());
        order
            .then(right.end().total_cmp(&left.end()))
            .then_with(|| left.source.cmp(&right.source))
    });
    let measured: Vec<_> = items
        .iter()
        .filter(|item| item.is_measured())
        .map(|item| item.source.clone())
        .collect();
    let duplicates = (measured.len() > 1).then_some(measured);
    (items.into_iter().next(), duplicates)
}

impl Found {
    fn is_measured(&self) -> bool {
        self.point.measurement().is_some()
    }

    fn end(&self) -> f64 {
        self.ended_unix_s.unwrap_or(f64::NEG_INFINITY)
    }
}

impl Run {
    /// Success by hardware, as `run_stats.json` has it.
    #[must_use]
    pub fn stats(&self) -> BTreeMap<String, HardwareStats> {
        let mut stats: BTreeMap<String, HardwareStats> = BTreeMap::new();
        for point in &self.points {
            let entry = stats.entry(point.key.curve.runner.as_str().to_owned()).or_default();
            entry.total += 1;
            entry.n_success += usize::from(point.measurement().is_some());
        }
        stats
    }

    /// The point with a key.
    #[must_use]
    pub fn point(&self, key: &PointKey) -> Option<&Point> {
        let at = self.points.binary_search_by(|point| point.key.cmp(key)).ok()?;
        self.points.get(at)
    }

    /// The origin of a point whose curve was measured again since. Such a point is borrowed, and no line connects it with the others.
    #[must_use]
    pub fn borrowed_from(&self, key: &PointKey) -> Option<&Origin> {
        self.origins.get(key).filter(|origin| origin.is_older)
    }

    /// The number of points that have numbers.
    #[must_use]
    pub fn measured(&self) -> usize {
        self.points.iter().filter(|point| point.measurement().is_some()).count()
    }

    /// The points without numbers, with their reasons.
    pub fn failures(&self) -> impl Iterator<Item = (&Point, &crate::result::PointFailure)> {
        self.points.iter().filter_map(|point| match &point.outcome {
            PointOutcome::Failed(failure) => Some((point, failure)),
            PointOutcome::Measured(_) => None,
        })
    }
}

/// One sentence for people.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { point } => write!(f, "{point}: planned, but there is neither a result nor a job record"),
            Self::Duplicated { point, sources } => {
                let counted = sources.first().map_or("", String::as_str);
                write!(f, "{point}: measured {} times; the newest counts, {counted}", sources.len())
            }
            Self::Unexpected { point, source } => write!(f, "{point}: measured ({source}), but not planned"),
            Self::Doubtful { point, source, codes } => {
                write!(f, "{point}: its figures are doubtful ({}), see {source}", codes.join(", "))
            }
            Self::Unreadable { source, reason } => write!(f, "{source}: {reason}"),
            Self::Fork { repository } => write!(
                f,
                "results and plan come from the fork {repository}: its own workflow ran, and its jobs chose what they uploaded"
            ),
        }
    }
}
