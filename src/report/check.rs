//! The verdict as a check run: a conclusion, a title, a summary within GitHub's limit, and an annotation for each point and each
//! accuracy that failed or got worse.

use super::markdown::{Budget, summary};
use super::sentences;
use super::view::{Mark, View};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub mark: Mark,
    /// One line, the same as a comment's first.
    pub title: String,
    /// Markdown within [`Budget::CHECK`].
    pub summary: String,
    /// Annotations of the points that failed or got worse, failed ones first.
    pub remarks: Vec<Remark>,
}

/// An annotation about one point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Whether the point failed; otherwise it got worse.
    pub failed: bool,
    /// The changelog line that requested it, from 1, if known.
    pub line: Option<usize>,
    pub title: String,
    pub message: String,
}

/// The maximum number of annotations: a longer list is not read, and the summary has all points as a table.
const REMARKS: usize = 100;
/// GitHub's limit of a title, characters.
const LONGEST_TITLE: usize = 250;
/// The most characters of an annotation. GitHub's limit is 64 KiB, but a reason is one sentence.
const LONGEST_MESSAGE: usize = 2_000;

/// The check run of a view.
#[must_use]
pub fn check(view: &View) -> Check {
    let failures = view.run.failures().map(|(point, failure)| Remark {
        failed: true,
        line: view.lines.get(&point.key).copied(),
        title: cut(&point.key.to_string(), LONGEST_TITLE),
        message: cut(&format!("{} failure: {}", failure.class.as_str(), failure.reason), LONGEST_MESSAGE),
    });
    let losses = view.losses();
    let losses = losses.iter().filter(|point| point.is_regression()).map(|point| Remark {
        failed: false,
        line: view.lines.get(&point.point).copied(),
        title: cut(&point.point.to_string(), LONGEST_TITLE),
        message: sentences::reasons(point),
    });
    let scores = view.scores().worse().map(|(what, detail)| Remark {
        failed: false,
        line: None,
        title: cut(&what, LONGEST_TITLE),
        message: detail,
    });
    Check {
        mark: view.mark(),
        title: view.headline(),
        summary: summary(view, Budget::CHECK),
        remarks: failures.chain(scores).chain(losses).take(REMARKS).collect(),
    }
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}
