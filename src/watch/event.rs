//! The bodies of messages, `imax-event/1`: JSON for programs, text for chats.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::condition::{Direction, Subject, date};
use super::transition::{Told, Transition};
use crate::model::{json_schema, saturating};
use crate::notify::{MessageFormat, plain_text_body};

/// The format; the number grows when a receiver must change.
pub(super) const SCHEMA: &str = "imax-event/1";
/// How many entries of a list a message has; its counts have all.
const MOST_LISTED: usize = 100;
/// How many lines of a list a chat gets.
const MOST_LINES: usize = 10;

/// A message.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "imax event")]
pub(super) struct Event {
    /// Always `imax-event/1`.
    pub schema: &'static str,
    /// The same at each attempt, as in the header `webhook-id`: receivers that know it already have the message.
    pub delivery: String,
    /// RFC 3339.
    pub created: String,
    /// The name of the saved query or digest.
    pub watch: String,
    pub branch: String,
    #[serde(flatten)]
    pub content: Content,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Content {
    /// States that opened, go on or recovered.
    StateChanged {
        counts: StateCounts,
        opened: Vec<State>,
        still: Vec<State>,
        recovered: Vec<State>,
    },
    Digest(DigestContent),
    /// A message of imax watch test.
    Test,
}

/// Of all, also those that the lists leave out.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StateCounts {
    pub opened: u64,
    pub still: u64,
    pub recovered: u64,
}

/// A state of a subject.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct State {
    /// `worse`, `failed` or `stale`.
    pub condition: String,
    /// The point and metric, the point, or project and branch, in words.
    pub subject: String,
    /// When it began, RFC 3339.
    pub since: String,
    /// The run in which it began, by its number in the history.
    pub run: Option<i64>,
    /// The point's identity.
    pub key: Option<Json>,
    pub metric: Option<String>,
    /// The level before and now, in the metric's unit.
    pub before: Option<f64>,
    pub now: Option<f64>,
    /// The change as a part of the level before.
    pub relative: Option<f64>,
    pub reason: Option<String>,
}

/// The week of a branch.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct DigestContent {
    /// The period, RFC 3339.
    pub from: String,
    pub to: String,
    /// Levels that changed, the largest change first; at most 100.
    pub moved: Vec<Moved>,
    /// How many changed in all.
    pub moved_in_all: u64,
    /// Points by hardware and engine where some failed.
    pub failures: Vec<Failures>,
    /// The newest run of each project on the branch.
    pub freshness: Vec<Freshness>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Moved {
    pub subject: String,
    pub direction: Direction,
    pub before: f64,
    pub now: f64,
    pub relative: f64,
    pub run: i64,
    /// RFC 3339.
    pub at: String,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Failures {
    pub hardware: String,
    pub framework: String,
    pub points: i64,
    pub failed: i64,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Freshness {
    pub project: String,
    /// RFC 3339.
    pub newest: String,
    pub age_days: i64,
}

/// The schema of messages.
pub(crate) fn schema() -> Json {
    json_schema::<Event>()
}

impl Content {
    pub(super) fn of(transition: &Transition) -> Self {
        let told = |list: &[Told]| list.iter().take(MOST_LISTED).map(|told| State::of(&told.subject)).collect();
        Self::StateChanged {
            counts: StateCounts {
                opened: saturating::to_u64(transition.opened.len()),
                still: saturating::to_u64(transition.still.len()),
                recovered: saturating::to_u64(transition.recovered.len()),
            },
            opened: transition.opened.iter().take(MOST_LISTED).map(State::of).collect(),
            still: told(&transition.still),
            recovered: told(&transition.recovered),
        }
    }
}

impl State {
    fn of(subject: &Subject) -> Self {
        let subject = subject.clone();
        Self {
            condition: subject.condition.as_str().to_owned(),
            subject: subject.subject,
            since: date(subject.since_ms),
            run: subject.run,
            key: subject.key,
            metric: subject.metric,
            before: subject.before,
            now: subject.now,
            relative: subject.relative,
            reason: subject.reason,
        }
    }

    fn line(&self) -> String {
        let size = self
            .relative
            .map_or_else(String::new, |relative| format!(" {:+.1} %", relative * 100.0));
        let run = self.run.map_or_else(String::new, |run| format!(", run {run}"));
        let reason = self.reason.as_ref().map_or_else(String::new, |reason| format!(", {reason}"));
        format!("{} {}{size} since {}{run}{reason}", self.condition, self.subject, self.since)
    }
}

impl Event {
    /// The body in the form of a receiver.
    pub(super) fn body(&self, format: MessageFormat) -> Json {
        match format {
            MessageFormat::Event => json!(self),
            MessageFormat::Slack | MessageFormat::Discord => plain_text_body(format, &self.text()),
        }
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        match &self.content {
            Content::StateChanged {
                counts,
                opened,
                still,
                recovered,
            } => {
                let StateCounts {
                    opened: new,
                    still: old,
                    recovered: gone,
                } = counts;
                lines.push(format!(
                    "imax {}, {}: {new} opened, {old} still open, {gone} recovered",
                    self.watch, self.branch
                ));
                for (name, list, count) in [("opened", opened, new), ("still", still, old), ("recovered", recovered, gone)] {
                    let list = list.iter().take(MOST_LINES);
                    lines.extend(list.map(|state| format!("- {name}: {}", state.line())));
                    let more = count.saturating_sub(saturating::to_u64(MOST_LINES));
                    if more > 0 {
                        lines.push(format!("- {name}: and {more} more"));
                    }
                }
            }
            Content::Digest(digest) => lines.extend(digest.lines(&self.watch, &self.branch)),
            Content::Test => lines.push("imax watch test: messages of saved queries arrive here".to_owned()),
        }
        lines.join("\n")
    }
}

impl DigestContent {
    fn lines(&self, watch: &str, branch: &str) -> Vec<String> {
        let mut lines = vec![format!(
            "imax {watch}, {branch}, {} to {}: {} levels moved, {} groups with failures",
            self.from,
            self.to,
            self.moved_in_all,
            self.failures.len()
        )];
        for moved in self.moved.iter().take(MOST_LINES) {
            let direction = match moved.direction {
                Direction::Better => "better",
                Direction::Worse => "worse",
            };
            lines.push(format!(
                "- {direction}: {} {:+.1} %, run {}",
                moved.subject,
                moved.relative * 100.0,
                moved.run
            ));
        }
        let failures = self.failures.iter().take(MOST_LINES);
        lines.extend(failures.map(|group| {
            format!(
                "- failed: {} of {} on {} {}",
                group.failed, group.points, group.hardware, group.framework
            )
        }));
        let ages = self.freshness.iter().take(MOST_LINES);
        lines.extend(ages.map(|age| format!("- newest run of {}: {}, {} days old", age.project, age.newest, age.age_days)));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::Condition;
    use super::*;

    fn event(subject: &str) -> Event {
        let subject = Subject {
            condition: Condition::Failed,
            subject: subject.to_owned(),
            since_ms: 0,
            seen_ms: 0,
            run: Some(1),
            key: None,
            metric: None,
            before: None,
            now: None,
            relative: None,
            reason: None,
        };
        let transition = Transition {
            opened: vec![subject; 150],
            ..Transition::default()
        };
        Event {
            schema: SCHEMA,
            delivery: "msg_1".to_owned(),
            created: date(0),
            watch: "nightly".to_owned(),
            branch: "main".to_owned(),
            content: Content::of(&transition),
        }
    }

    #[test]
    fn chats_get_names_without_markup_or_mentions() {
        let event = event("<!channel> @everyone");
        let slack = event.body(MessageFormat::Slack);
        let text = slack["text"].as_str().unwrap();
        assert!(
            text.contains("failed &lt;!channel&gt; \u{200b}@everyone since 1970-01-01T00:00:00Z, run 1"),
            "{text}"
        );
        let discord = event.body(MessageFormat::Discord);
        assert_eq!(discord["allowed_mentions"], json!({ "parse": [] }));
        assert!(
            discord["content"].as_str().unwrap().contains("\\<!channel\\> \\@everyone"),
            "{discord}"
        );
    }

    #[test]
    fn lists_are_bounded_and_counts_are_not() {
        let event = event("point");
        let body = event.body(MessageFormat::Event);
        assert_eq!(body["counts"]["opened"], 150);
        assert_eq!(body["opened"].as_array().unwrap().len(), MOST_LISTED);
        let slack = event.body(MessageFormat::Slack);
        let lines = slack["text"].as_str().unwrap().lines().count();
        assert_eq!(lines, 1 + MOST_LINES + 1);
        assert!(slack["text"].as_str().unwrap().ends_with("and 140 more"));
    }
}
