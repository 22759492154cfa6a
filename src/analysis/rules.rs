//! What a repository says about verdicts in `imax.yaml`, under `regressions:`: how many false discoveries it bears, which
//! changes are too small to matter, and which regressions are known, why, and until when.

use chrono::NaiveDate;
use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Deserializer, de};

use crate::model::PointKey;
use crate::result::Metric;

/// The rules.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Rules {
    /// The share of false ones among reported changes, 0 to 1; see [`super::statistics::q_values`].
    #[serde(deserialize_with = "share")]
    pub false_discovery_rate: f64,
    /// Changes that are too small to matter, however certain. Where several fit a point, the last one counts.
    pub smallest_changes: Vec<SmallestChange>,
    /// Known regressions.
    pub exceptions: Vec<Exception>,
}

/// A change that is smaller does not count.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SmallestChange {
    /// Which points; all where there is none.
    #[serde(default)]
    pub points: Option<PointPattern>,
    /// Which metrics; all where none is named.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// The size, in percent of the base.
    #[serde(deserialize_with = "percent")]
    pub percent: f64,
}

/// A regression that is known: it is shown, and fails nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Exception {
    /// Which points.
    pub points: PointPattern,
    /// Which metrics; all, and points that failed as well, where none is named.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// Why it is borne.
    #[serde(deserialize_with = "reason")]
    pub reason: String,
    /// The last day on which it is.
    #[serde(deserialize_with = "day")]
    pub until: NaiveDate,
}

/// A pattern over the text of a point, such as `dsr1 fp8 h200 trt * conc64`: `*` is any text, `?` one character, `[ab]` one of
/// some, `{a,b}` one of several texts.
#[derive(Debug, Clone)]
pub struct PointPattern(GlobMatcher);

/// Why rules cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct RulesError {
    file: String,
    line: u64,
    column: u64,
    message: String,
}

/// The file, of which other parts belong to other commands.
#[derive(Deserialize)]
struct SettingsFile {
    #[serde(default)]
    regressions: Option<Rules>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            false_discovery_rate: 0.05,
            smallest_changes: Vec::new(),
            exceptions: Vec::new(),
        }
    }
}

impl Rules {
    /// Reads the rules from `imax.yaml`; `file` names it in errors.
    ///
    /// # Errors
    /// Where the text is not YAML, or `regressions` has a field that does not exist or a value of another kind.
    pub fn parse(file: &str, text: &str) -> Result<Self, RulesError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let read: Result<Option<SettingsFile>, _> = serde_saphyr::from_str_with_options(text, options);
        let document = read.map_err(|error| {
            let location = error.location().unwrap_or(serde_saphyr::Location::UNKNOWN);
            RulesError {
                file: file.to_owned(),
                line: location.line().max(1),
                column: location.column().max(1),
                message: error.to_string(),
            }
        })?;
        Ok(document.and_then(|document| document.regressions).unwrap_or_default())
    }

    /// The smallest relative change of a point's metric that matters.
    #[must_use]
    pub fn smallest_change(&self, point: &str, metric: Metric) -> f64 {
        let fits =
            |rule: &&SmallestChange| covers(&rule.metrics, metric) && rule.points.as_ref().is_none_or(|points| points.matches(point));
        let found = self.smallest_changes.iter().rev().find(fits);
        found.map_or_else(|| usual_smallest_change(metric), |rule| rule.percent / 100.0)
    }

    /// The exception in force for a regression of these metrics; of a point that failed, for none.
    #[must_use]
    pub fn exception(&self, point: &str, metrics: &[Metric], today: NaiveDate) -> Option<&Exception> {
        self.exceptions.iter().find(|exception| {
            let all =
                exception.metrics.is_empty() || (!metrics.is_empty() && metrics.iter().all(|metric| exception.metrics.contains(metric)));
            exception.until >= today && all && exception.points.matches(point)
        })
    }

    /// Exceptions that no longer apply, for people to remove.
    pub fn expired(&self, today: NaiveDate) -> impl Iterator<Item = &Exception> {
        self.exceptions.iter().filter(move |exception| exception.until < today)
    }
}

/// Rates and times of a closed loop: 2 %. The time to first token is a queueing time: 5 %.
fn usual_smallest_change(metric: Metric) -> f64 {
    match metric {
        Metric::Ttft | Metric::TtftP99 => 0.05,
        Metric::ThroughputPerGpu
        | Metric::OutputThroughputPerGpu
        | Metric::InputThroughputPerGpu
        | Metric::Tpot
        | Metric::Interactivity
        | Metric::E2el
        | Metric::E2elP99 => 0.02,
    }
}

fn covers(metrics: &[Metric], metric: Metric) -> bool {
    metrics.is_empty() || metrics.contains(&metric)
}

impl PointPattern {
    fn new(pattern: &str) -> Result<Self, globset::Error> {
        let glob = GlobBuilder::new(pattern).literal_separator(false).build()?;
        Ok(Self(glob.compile_matcher()))
    }

    /// Whether it fits the text of a point.
    #[must_use]
    pub fn matches(&self, point: &str) -> bool {
        self.0.is_match(point)
    }

    /// Whether it fits a point.
    #[must_use]
    pub fn fits(&self, point: &PointKey) -> bool {
        self.matches(&point.to_string())
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.glob().glob()
    }
}

impl<'de> Deserialize<'de> for PointPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if value > 0.0 && value < 1.0 {
        return Ok(value);
    }
    Err(de::Error::custom(format!(
        "found {value}, expected a share above 0 and below 1, such as 0.05"
    )))
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (0.0..=1000.0).contains(&value) {
        return Ok(value);
    }
    Err(de::Error::custom(format!("found {value}, expected a percentage from 0, such as 3")))
}

fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() {
        return Err(de::Error::custom("an exception needs a reason, found an empty one"));
    }
    Ok(text)
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    let text = String::deserialize(deserializer)?;
    NaiveDate::parse_from_str(&text, "%Y-%m-%d")
        .map_err(|_| de::Error::custom(format!("found {text:?}, expected a date such as 2026-12-31")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    const TEXT: &str = "
policy: {drafts: true}
regressions:
  false-discovery-rate: 0.01
  smallest-changes:
    - {metrics: [ttft], percent: 8}
    - {points: '* mi300x *', percent: 4}
  exceptions:
    - points: 'demo fp8 h100 * conc{16,64}'
      metrics: [ttft, e2el]
      reason: 'scheduler change, issue 12'
      until: 2026-11-30
    - {points: '*', reason: 'old', until: 2026-01-31}
";

    fn day(text: &str) -> NaiveDate {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap()
    }

    #[test]
    fn the_last_rule_that_fits_counts() {
        let rules = Rules::parse("imax.yaml", TEXT).unwrap();
        for (point, metric, size) in [
            ("demo fp8 h100 sim 1k1k tp4 conc4", Metric::Ttft, 0.08),
            ("demo fp8 h100 sim 1k1k tp4 conc4", Metric::E2el, 0.02),
            ("demo fp8 mi300x sim 1k1k tp4 conc4", Metric::Ttft, 0.04),
        ] {
            assert!((rules.smallest_change(point, metric) - size).abs() < 1e-12, "{point} {metric:?}");
        }
        assert!((rules.false_discovery_rate - 0.01).abs() < 1e-12);
        assert!((Rules::parse("imax.yaml", "policy: {}").unwrap().smallest_change("x", Metric::Ttft) - 0.05).abs() < 1e-12);
    }

    #[test]
    fn an_exception_ends_after_its_last_day_and_covers_only_its_metrics() {
        let rules = Rules::parse("imax.yaml", TEXT).unwrap();
        let point = "demo fp8 h100 sim 1k1k tp4 conc64";
        let found = |metrics: &[Metric], today| rules.exception(point, metrics, day(today)).map(|found| found.reason.clone());
        assert_eq!(found(&[Metric::Ttft], "2026-11-30").as_deref(), Some("scheduler change, issue 12"));
        assert_eq!(found(&[Metric::Ttft], "2026-12-01"), None);
        assert_eq!(found(&[Metric::Ttft, Metric::Tpot], "2026-11-30"), None);
        assert_eq!(found(&[], "2026-11-30"), None, "a point that failed is more than a slow one");
        assert_eq!(found(&[], "2026-01-31").as_deref(), Some("old"));
        assert_eq!(rules.expired(day("2026-02-01")).count(), 1);
    }

    #[test]
    fn a_wrong_rule_is_located() {
        for (text, words) in [
            ("regressions:\n  rate: 1\n", "imax.yaml:2:"),
            ("regressions:\n  false-discovery-rate: 5\n", "expected a share above 0"),
            (
                "regressions:\n  exceptions:\n    - {points: x, reason: '', until: 2026-01-01}\n",
                "needs a reason",
            ),
            (
                "regressions:\n  exceptions:\n    - {points: x, reason: y, until: soon}\n",
                "expected a date such as",
            ),
            ("regressions:\n  exceptions:\n    - {points: x, reason: y}\n", "until"),
            (
                "regressions:\n  exceptions:\n    - {points: '[x', reason: y, until: 2026-01-01}\n",
                "imax.yaml:3:",
            ),
        ] {
            let error = Rules::parse("imax.yaml", text).unwrap_err().to_string();
            assert!(error.contains(words), "{words:?} not in {error}");
        }
    }
}
