//! When, where and with what a run was measured.

use std::collections::BTreeSet;

use maud::{Markup, html as markup};

use super::View;
use crate::analysis::Conditions;

/// A line below the headline: when, of which commit, with a link to the workflow run.
pub(super) fn line(view: &View) -> Markup {
    let Conditions {
        started, ended, commits, ..
    } = &view.run.conditions;
    let when = period(started.as_deref(), ended.as_deref());
    let page = view.run_page.as_deref();
    let commit = commits.first().filter(|_| commits.len() == 1);
    let parts = [
        when.map(|when| markup! { span { "measured " (when) } }),
        commit.map(|commit| markup! { span { "commit " (commit_link(commit, page)) } }),
        page.map(|page| markup! { a href=(page) { "workflow run" } }),
    ];
    let parts: Vec<Markup> = parts.into_iter().flatten().collect();
    markup! {
        @if !parts.is_empty() {
            p.subtitle.when { @for (at, part) in parts.iter().enumerate() { @if at > 0 { " · " } (part) } }
        }
    }
}

/// All conditions, as a list at the end of the page.
pub(super) fn list(view: &View) -> Markup {
    let Conditions {
        started,
        ended,
        commits,
        engines,
        imax,
        gpus,
        drivers,
        toolkits,
        runners,
    } = &view.run.conditions;
    let page = view.run_page.as_deref();
    let facts = [
        ("Engine", engines),
        ("GPU", gpus),
        ("GPU driver", drivers),
        ("CUDA or ROCm", toolkits),
        ("imax", imax),
        ("Runner", runners),
    ];
    markup! {
        @if !view.run.conditions.is_empty() {
            section {
                h2 { "Conditions" }
                dl.conditions {
                    @if let Some(when) = period(started.as_deref(), ended.as_deref()) { dt { "Measured" } dd { (when) } }
                    @if !commits.is_empty() { dt { "Commit" } dd { @for (at, commit) in commits.iter().enumerate() { @if at > 0 { ", " } (commit_link(commit, page)) } } }
                    @for (name, values) in facts { @if !values.is_empty() { dt { (name) } dd { (joined(values)) } } }
                }
            }
        }
    }
}

fn joined(values: &BTreeSet<String>) -> String {
    values.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// A commit in short, as a link to its page where the workflow run's page is known.
fn commit_link(commit: &str, run_page: Option<&str>) -> Markup {
    let is_id = commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let short = commit.get(..7).filter(|_| is_id).unwrap_or(commit);
    let repository = run_page
        .and_then(|page| page.split_once("/actions/runs/"))
        .map(|(repository, _)| repository);
    markup! {
        @match repository.filter(|_| is_id) {
            Some(repository) => { a href={ (repository) "/commit/" (commit) } title=(commit) { code { (short) } } }
            None => { code title=(commit) { (short) } }
        }
    }
}

/// `2026-11-30 10:58 to 11:20 UTC`, from times in RFC 3339.
fn period(started: Option<&str>, ended: Option<&str>) -> Option<String> {
    let (from, to) = match (started, ended) {
        (Some(started), Some(ended)) => (minute(started), minute(ended)),
        (Some(only), None) | (None, Some(only)) => return Some(format!("{} UTC", minute(only))),
        (None, None) => return None,
    };
    let day = from.split(' ').next().unwrap_or_default();
    Some(match to.strip_prefix(day) {
        _ if from == to => format!("{from} UTC"),
        Some(time) => format!("{from} to {} UTC", time.trim_start()),
        None => format!("{from} to {to} UTC"),
    })
}

/// `2026-11-30 10:58` of `2026-11-30T10:58:31.123Z`; another text as it is.
fn minute(time: &str) -> String {
    let minutes = time.get(..16).filter(|_| time.ends_with('Z'));
    minutes.map_or_else(|| time.to_owned(), |minutes| minutes.replacen('T', " ", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn period_names_the_day_once() {
        for (started, ended, expected) in [
            (
                Some("2026-11-30T10:58:31.123Z"),
                Some("2026-11-30T11:20:00.000Z"),
                Some("2026-11-30 10:58 to 11:20 UTC"),
            ),
            (
                Some("2026-11-30T23:58:31Z"),
                Some("2026-12-01T00:20:00Z"),
                Some("2026-11-30 23:58 to 2026-12-01 00:20 UTC"),
            ),
            (
                Some("2026-11-30T10:58:31Z"),
                Some("2026-11-30T10:58:59Z"),
                Some("2026-11-30 10:58 UTC"),
            ),
            (None, Some("2026-11-30T10:58:31Z"), Some("2026-11-30 10:58 UTC")),
            (Some("soon"), None, Some("soon UTC")),
            (None, None, None),
        ] {
            assert_eq!(period(started, ended).as_deref(), expected);
        }
    }

    #[test]
    fn commits_are_links_where_the_run_has_a_page() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let page = "https://github.com/o/r/actions/runs/7";
        let link = commit_link(commit, Some(page)).into_string();
        assert!(link.contains(&format!("href=\"https://github.com/o/r/commit/{commit}\"")), "{link}");
        assert!(link.contains("<code>0123456</code>"), "{link}");
        for (commit, page) in [(commit, None), ("<script>", Some(page)), (commit, Some("javascript:alert(1)"))] {
            let text = commit_link(commit, page).into_string();
            assert!(!text.contains("href") && !text.contains("<script>"), "{text}");
        }
    }
}
