//! The verdict as a message: for Slack, for Discord, and as an event for other programs. Untrusted names are escaped in each.
//! Sources: <https://docs.slack.dev/messaging/formatting-message-text>, <https://discord.com/developers/docs/resources/webhook>.

use serde_json::{Value, json};

use super::sentences;
use super::view::{Mark, View};

/// The most points in a message; the report has all.
const LISTED: usize = 5;
/// The most characters of the text. Slack's limit of a section is 3,000, Discord's of a description 4,096.
const LONGEST_TEXT: usize = 2_900;
/// Discord's limit of a title, characters.
const LONGEST_TITLE: usize = 250;
/// The format of the event; the number after the slash grows when a reader must change.
const SCHEMA: &str = "imax-event/1";

/// Content of a message, independent of the format.
#[derive(Debug)]
pub struct Notification<'a> {
    view: &'a View<'a>,
    run_url: Option<&'a str>,
}

impl<'a> Notification<'a> {
    /// The message about a view; `run_url` is the page of the workflow run.
    #[must_use]
    pub fn new(view: &'a View<'a>, run_url: Option<&'a str>) -> Self {
        Self { view, run_url }
    }

    /// One line for each failed point, and for each accuracy and point that got worse.
    fn lines(&self) -> Vec<String> {
        let failures = self.view.run.failures();
        let failures = failures.map(|(point, failure)| format!("{}: {} failure: {}", point.key, failure.class.as_str(), failure.reason));
        let losses = self.view.losses();
        let losses = losses
            .iter()
            .filter(|point| point.is_regression())
            .map(|point| format!("{}: {}", point.point, sentences::reasons(point)));
        let scores = self.view.scores().worse().map(|(what, detail)| format!("{what}: {detail}"));
        let all: Vec<String> = failures.chain(scores).chain(losses).map(|line| one_line(&line, 400)).collect();
        let more = all.len().saturating_sub(LISTED);
        let mut shown: Vec<String> = all.into_iter().take(LISTED).collect();
        if more > 0 {
            shown.push(format!("and {more} more"));
        }
        shown
    }

    /// The body for an incoming webhook of Slack.
    #[must_use]
    pub fn slack(&self) -> Value {
        let headline = slack_text(&self.view.headline());
        let mut text = format!("{} *{headline}*", sign(self.view.mark()));
        for line in self.lines() {
            text.push_str(&format!("\n• {}", slack_text(&line)));
        }
        let mut blocks =
            vec![json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(&text, LONGEST_TEXT), "verbatim": true } })];
        if let Some(url) = self.run_url {
            blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": format!("<{url}|workflow run>") } }));
        }
        json!({ "text": headline, "blocks": blocks, "unfurl_links": false })
    }

    /// The body for a webhook of Discord. Mentions are disabled.
    #[must_use]
    pub fn discord(&self) -> Value {
        let lines: Vec<String> = self.lines().iter().map(|line| format!("- {}", discord_text(line))).collect();
        let title = format!("{} {}", sign(self.view.mark()), self.view.headline());
        let mut embed = json!({
            "title": cut(&title, LONGEST_TITLE), "description": cut(&lines.join("\n"), LONGEST_TEXT), "color": colour(self.view.mark()),
        });
        if let Some(url) = self.run_url {
            embed["url"] = url.into();
        }
        json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } })
    }

    /// The event for any other receiver. `sent_at` is RFC 3339; receivers can use it to refuse replayed events.
    #[must_use]
    pub fn event(&self, sent_at: &str) -> Value {
        let run = self.view.run;
        let losses = self.view.losses();
        let worse = losses
            .iter()
            .filter(|point| point.is_regression())
            .map(|point| json!({ "point": point.point.to_string(), "reasons": sentences::reasons(point) }));
        let failed = run
            .failures()
            .map(|(point, failure)| json!({ "point": point.key.to_string(), "class": failure.class.as_str(), "reason": failure.reason }));
        let less_accurate = self
            .view
            .scores()
            .worse()
            .map(|(what, detail)| json!({ "task": what, "reasons": detail }));
        json!({
            "less_accurate": less_accurate.collect::<Vec<_>>(),
            "schema": SCHEMA, "sent_at": sent_at, "verdict": verdict(self.view.mark()), "headline": self.view.headline(), "points": run.points.len(),
            "measured": run.measured(), "failed": failed.collect::<Vec<_>>(), "worse": worse.collect::<Vec<_>>(), "run_url": self.run_url,
        })
    }
}

fn verdict(mark: Mark) -> &'static str {
    match mark {
        Mark::Good | Mark::Neutral => "good",
        Mark::Bad => "bad",
        Mark::Unsure => "unsure",
    }
}

fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Good | Mark::Neutral => "🟢",
        Mark::Bad => "🔴",
        Mark::Unsure => "🟡",
    }
}

fn colour(mark: Mark) -> u32 {
    match mark {
        Mark::Good | Mark::Neutral => 0x14_75_3c,
        Mark::Bad => 0xb3_26_1e,
        Mark::Unsure => 0xf0_cf_6a,
    }
}

fn one_line(text: &str, longest: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(&line, longest)
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Escapes the three characters by which Slack marks links and mentions. A zero-width space keeps other markup from taking effect.
#[must_use]
pub fn slack_text(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut plain = String::with_capacity(escaped.len());
    for character in escaped.chars() {
        if matches!(character, '*' | '_' | '~' | '`' | '@') {
            plain.push('\u{200b}');
        }
        plain.push(character);
    }
    plain
}

/// Escapes Discord's markdown by backslashes, and keeps URLs from becoming links.
#[must_use]
pub fn discord_text(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(
            character,
            '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '[' | ']' | '(' | ')' | '#' | '<' | '@' | ':'
        ) {
            plain.push('\\');
        }
        plain.push(character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_for_slack_and_discord() {
        assert_eq!(slack_text("<!channel> & *x*"), "&lt;!channel&gt; &amp; \u{200b}*x\u{200b}*");
        assert_eq!(discord_text("@everyone [a](http://b)"), "\\@everyone \\[a\\]\\(http\\://b\\)");
        assert_eq!(one_line("a\nb", 10), "a b");
        assert_eq!(cut("héllo", 2), "hé…");
    }
}
