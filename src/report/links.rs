//! Links of a comment: to the workflow run, its artifacts and the failed jobs.

use std::collections::BTreeMap;

use super::escape;
use crate::model::{PointKey, escape_markdown};

/// Pages of a workflow run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    pub run: Option<String>,
    pub failed_jobs: Vec<JobLink>,
    /// The page of each point's job.
    pub jobs: BTreeMap<PointKey, String>,
}

/// A job with its page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLink {
    pub name: String,
    pub url: String,
}

/// The most listed jobs; the run's page has all.
const LISTED: usize = 8;

impl Links {
    /// A text about a point, as a link to its job if the job has a page.
    pub(super) fn about(&self, point: &PointKey, text: &str) -> String {
        match self.jobs.get(point) {
            Some(url) => escape::link(text, url),
            None => escape_markdown(text),
        }
    }

    /// The links as a line of markdown; empty without links.
    pub(super) fn markdown(&self) -> String {
        let Some(run) = &self.run else { return String::new() };
        let artifacts = escape::link("artifacts", &format!("{run}#artifacts"));
        let mut text = format!("\n{} · {artifacts}", escape::link("workflow run", run));
        let jobs: Vec<String> = self
            .failed_jobs
            .iter()
            .take(LISTED)
            .map(|job| escape::link(&job.name, &job.url))
            .collect();
        if !jobs.is_empty() {
            text.push_str(&format!(" · failed jobs: {}", jobs.join(", ")));
        }
        match self.failed_jobs.len().saturating_sub(LISTED) {
            0 => {}
            more => text.push_str(&format!(" and {more} more")),
        }
        text.push('\n');
        text
    }
}
