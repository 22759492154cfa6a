//! `regressions:`, what counts as a regression: the false discovery rate, which changes are too small to matter, and which known
//! regressions are accepted, why, and until when.

use std::borrow::Cow;

use chrono::NaiveDate;
use globset::{GlobBuilder, GlobMatcher};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::model::Metric;
use crate::yaml::{Node, Object, Reader, Value};

/// What counts as a regression.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Regressions {
    /// Share of false discoveries among the reported changes, above 0 and below 1.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub false_discovery_rate: f64,
    /// Changes that are too small to matter, however certain. Where several match a point, the last one counts.
    pub smallest_changes: Vec<SmallestChange>,
    /// Known regressions, which are shown and fail nothing.
    pub exceptions: Vec<Exception>,
}

/// A threshold below which a change does not count.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SmallestChange {
    /// The points; all if absent.
    pub points: Option<PointPattern>,
    /// The metrics; all if absent.
    #[schemars(default, schema_with = "compared_metrics")]
    pub metrics: Vec<Metric>,
    /// The threshold, in percent of the base.
    #[schemars(range(min = 0, max = 1000))]
    pub percent: f64,
}

/// A known regression, which is shown and fails nothing.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Exception {
    pub points: PointPattern,
    /// The metrics; if absent, all of them, and failed points too.
    #[schemars(default, schema_with = "compared_metrics")]
    pub metrics: Vec<Metric>,
    /// Why this regression is accepted.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// The last day on which it is accepted.
    pub until: NaiveDate,
}

/// A glob over the text of a point, such as `dsr1 fp8 h200 trt * conc64`: `*` is any text, `?` one character, `[ab]` one of
/// several characters, `{a,b}` one of several texts.
#[derive(Debug, Clone)]
pub struct PointPattern(GlobMatcher);

impl JsonSchema for PointPattern {
    fn schema_name() -> Cow<'static, str> {
        "Points".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "description": "A glob over a point as reports write it." })
    }
}

fn compared_metrics(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "array", "items": { "enum": Metric::JUDGED.map(Metric::id) } })
}

impl Default for Regressions {
    fn default() -> Self {
        Self {
            false_discovery_rate: 0.05,
            smallest_changes: Vec::new(),
            exceptions: Vec::new(),
        }
    }
}

impl Regressions {
    /// The smallest relative change of a point's metric that matters.
    #[must_use]
    pub fn smallest_change(&self, point: &str, metric: Metric) -> f64 {
        let fits =
            |rule: &&SmallestChange| covers(&rule.metrics, metric) && rule.points.as_ref().is_none_or(|points| points.matches(point));
        let found = self.smallest_changes.iter().rev().find(fits);
        found.map_or_else(|| usual_smallest_change(metric), |rule| rule.percent / 100.0)
    }

    /// The exception in force for a regression of these metrics; for a failed point, `metrics` is empty.
    #[must_use]
    pub fn exception(&self, point: &str, metrics: &[Metric], today: NaiveDate) -> Option<&Exception> {
        self.exceptions.iter().find(|exception| {
            let all =
                exception.metrics.is_empty() || (!metrics.is_empty() && metrics.iter().all(|metric| exception.metrics.contains(metric)));
            exception.until >= today && all && exception.points.matches(point)
        })
    }

    /// What differs from the usual rules, a sentence each: a reader of verdicts must see what was declared not to matter.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let usual = Self::default().false_discovery_rate;
        let rate = (self.false_discovery_rate - usual).abs() > f64::EPSILON;
        let rate = rate.then(|| format!("The false discovery rate is {} instead of {usual}.", self.false_discovery_rate));
        let changes = self.smallest_changes.iter().map(|change| {
            let points = change.points.as_ref().map_or("*", PointPattern::as_str);
            let metrics: Vec<&str> = change.metrics.iter().map(|metric| metric.id()).collect();
            let metrics = if metrics.is_empty() {
                "any metric".to_owned()
            } else {
                metrics.join(", ")
            };
            format!(
                "At the points {points:?}, a change of {metrics} by up to {} % counts neither as better nor as worse.",
                change.percent
            )
        });
        rate.into_iter().chain(changes).collect()
    }

    /// Exceptions that have expired, for people to remove.
    pub fn expired(&self, today: NaiveDate) -> impl Iterator<Item = &Exception> {
        self.exceptions.iter().filter(move |exception| exception.until < today)
    }
}

/// Rates and times of a closed loop: 2 %. The time to first token is a queueing time: 5 %; so are rates of sessions, whose users wait
/// between their requests, and hits of a cache, which depend on the order of the sessions.
fn usual_smallest_change(metric: Metric) -> f64 {
    match metric {
        Metric::Ttft | Metric::TtftP99 | Metric::Qps | Metric::CacheHitRate => 0.05,
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

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.glob().glob()
    }
}

impl PartialEq for PointPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// Fields of the section.
pub(super) const FIELDS: [&str; 3] = ["false-discovery-rate", "smallest-changes", "exceptions"];

/// Fields of one of `smallest-changes`.
pub(super) const SMALLEST_CHANGE_FIELDS: [&str; 3] = ["points", "metrics", "percent"];

/// Fields of one of `exceptions`.
pub(super) const EXCEPTION_FIELDS: [&str; 4] = ["points", "metrics", "reason", "until"];

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Regressions> {
    let object = reader.object(node, "regressions", &FIELDS)?;
    let default = Regressions::default();
    let false_discovery_rate = match object.get("false-discovery-rate") {
        Some(node) => share(reader, node),
        None => Some(default.false_discovery_rate),
    };
    let smallest_changes = list(reader, &object, "smallest-changes", smallest_change);
    let exceptions = list(reader, &object, "exceptions", exception);
    Some(Regressions {
        false_discovery_rate: false_discovery_rate?,
        smallest_changes: smallest_changes?,
        exceptions: exceptions?,
    })
}

/// Reads each item of a list; empty if the field is absent.
fn list<T>(reader: &mut Reader<'_>, object: &Object<'_>, name: &str, read: impl Fn(&mut Reader<'_>, &Node) -> Option<T>) -> Option<Vec<T>> {
    let Some(node) = object.get(name) else {
        return Some(Vec::new());
    };
    let items = reader.list(node, name)?;
    let read: Vec<Option<T>> = items.iter().map(|item| read(reader, item)).collect();
    read.into_iter().collect()
}

fn smallest_change(reader: &mut Reader<'_>, node: &Node) -> Option<SmallestChange> {
    let object = reader.object(node, "smallest change", &SMALLEST_CHANGE_FIELDS)?;
    let points = object.get("points").map(|node| pattern(reader, node));
    let metrics = list(reader, &object, "metrics", metric);
    let percent = reader
        .required(&object, "percent", "smallest change")
        .and_then(|node| percent(reader, node));
    Some(SmallestChange {
        points: match points {
            Some(read) => Some(read?),
            None => None,
        },
        metrics: metrics?,
        percent: percent?,
    })
}

fn exception(reader: &mut Reader<'_>, node: &Node) -> Option<Exception> {
    const WHAT: &str = "exception";
    let object = reader.object(node, WHAT, &EXCEPTION_FIELDS)?;
    let points = reader.required(&object, "points", WHAT).and_then(|node| pattern(reader, node));
    let metrics = list(reader, &object, "metrics", metric);
    let reason = reader.required(&object, "reason", WHAT).and_then(|node| reason(reader, node));
    let until = reader.required(&object, "until", WHAT).and_then(|node| day(reader, node));
    Some(Exception {
        points: points?,
        metrics: metrics?,
        reason: reason?,
        until: until?,
    })
}

fn pattern(reader: &mut Reader<'_>, node: &Node) -> Option<PointPattern> {
    let text = reader.text(node, "points")?;
    match PointPattern::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            reader.error(node.span, "pattern", format!("`points` is not a valid glob: {}", error.kind()));
            None
        }
    }
}

fn metric(reader: &mut Reader<'_>, node: &Node) -> Option<Metric> {
    reader.choice(node, "metrics", &Metric::JUDGED.map(|metric| (metric.id(), metric)))
}

fn share(reader: &mut Reader<'_>, node: &Node) -> Option<f64> {
    let expected = "a share above 0 and below 1, such as 0.05";
    number(reader, node, "false-discovery-rate", expected, |value| value > 0.0 && value < 1.0)
}

fn percent(reader: &mut Reader<'_>, node: &Node) -> Option<f64> {
    number(reader, node, "percent", "a percentage from 0 to 1000, such as 3", |value| {
        (0.0..=1000.0).contains(&value)
    })
}

fn number(reader: &mut Reader<'_>, node: &Node, what: &str, expected: &str, fits: impl Fn(f64) -> bool) -> Option<f64> {
    let value = match node.value {
        Value::Float(value) => Some(value),
        Value::Int(value) => i32::try_from(value).ok().map(f64::from),
        Value::Null | Value::Bool(_) | Value::Date(_) | Value::Text(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    };
    let value = value.filter(|value| fits(*value));
    if value.is_none() {
        let message = format!("`{what}` is {}, expected {expected}", node.value.describe());
        reader.error(node.span, "range", message);
    }
    value
}

fn reason(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node, "reason")?;
    if text.trim().is_empty() {
        reader.error(node.span, "empty", "`reason` is blank, expected why the regression is accepted");
        return None;
    }
    Some(text.to_owned())
}

/// YAML has dates, so both a quoted and a plain one are accepted.
fn day(reader: &mut Reader<'_>, node: &Node) -> Option<NaiveDate> {
    let text = match &node.value {
        Value::Date(text) | Value::Text(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    };
    let day = text.and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
    if day.is_none() {
        let message = format!("`until` is {}, expected a date such as 2026-12-31", node.value.describe());
        reader.error(node.span, "date", message);
    }
    day
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::model::{Diagnostics, SourceFile};
    use crate::settings::Settings;

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
    - {points: '*', reason: 'old', until: '2026-01-31'}
";

    fn parse(text: &str) -> Result<Regressions, Diagnostics> {
        Settings::parse(&SourceFile::new("imax.yaml", text)).map(|(settings, _)| settings.regressions)
    }

    fn day(text: &str) -> NaiveDate {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap()
    }

    #[test]
    fn last_matching_rule_wins() {
        let rules = parse(TEXT).unwrap();
        for (point, metric, size) in [
            ("demo fp8 h100 sim 1k1k tp4 conc4", Metric::Ttft, 0.08),
            ("demo fp8 h100 sim 1k1k tp4 conc4", Metric::E2el, 0.02),
            ("demo fp8 mi300x sim 1k1k tp4 conc4", Metric::Ttft, 0.04),
        ] {
            assert!((rules.smallest_change(point, metric) - size).abs() < 1e-12, "{point} {metric:?}");
        }
        assert!((rules.false_discovery_rate - 0.01).abs() < 1e-12);
        assert!((parse("policy: {}").unwrap().smallest_change("x", Metric::Ttft) - 0.05).abs() < 1e-12);
    }

    #[test]
    fn exception_expires_and_covers_only_its_metrics() {
        let rules = parse(TEXT).unwrap();
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
    fn invalid_rule_is_reported_with_place() {
        let exception = |fields: &str| format!("exceptions:\n    - {{{fields}}}");
        for (text, words) in [
            ("rate: 1".to_owned(), "unknown field `rate` in `regressions`\n --> imax.yaml:2:3"),
            ("false-discovery-rate: 5".to_owned(), "expected a share above 0"),
            ("smallest-changes: [{percent: -1}]".to_owned(), "imax.yaml:2:32"),
            (
                "smallest-changes: [{percent: 1, metrics: [tfft]}]".to_owned(),
                "did you mean `ttft`?",
            ),
            ("smallest-changes: [{}]".to_owned(), "has no `percent`"),
            (exception("points: x, reason: ' ', until: 2026-01-01"), "`reason` is blank"),
            (exception("points: x, reason: y, until: soon"), "expected a date such as"),
            (exception("points: x, reason: y, until: 2026-02-30"), "the date `2026-02-30`"),
            (exception("points: x, reason: y"), "has no `until`"),
            (exception("points: '[x', reason: y, until: 2026-01-01"), "imax.yaml:3:16"),
        ] {
            let text = format!("regressions:\n  {text}\n");
            let error = parse(&text).unwrap_err();
            assert!(error.len() == 1 && error.to_string().contains(words), "{text}: {error}");
        }
    }
}
