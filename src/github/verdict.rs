//! The verdict of a report as a check run, with annotations in the changelog.

use super::check::{Annotation, AnnotationLevel, CheckRun, Conclusion};
use crate::model::saturating;
use crate::report::{Mark, Remark, View, check};

/// The check run of a report.
#[derive(Debug)]
pub(crate) struct VerdictInput {
    /// The name of the check.
    pub name: String,
    pub head_sha: String,
    /// The changelog, whose entries the annotations are attached to.
    pub changelog: String,
    /// The page of the workflow run.
    pub details_url: Option<String>,
}

/// The check run with the verdict of a view.
pub(crate) fn verdict_check(view: &View, input: VerdictInput) -> CheckRun {
    let VerdictInput {
        name,
        head_sha,
        changelog,
        details_url,
    } = input;
    let check = check(view);
    let conclusion = match check.mark {
        Mark::Bad => Conclusion::Failure,
        Mark::Unsure => Conclusion::Neutral,
        Mark::Good | Mark::Neutral => Conclusion::Success,
    };
    CheckRun {
        name,
        head_sha,
        conclusion,
        title: check.title,
        summary: check.summary,
        details_url,
        annotations: check.remarks.into_iter().map(|remark| annotation(&changelog, remark)).collect(),
    }
}

fn annotation(changelog: &str, remark: Remark) -> Annotation {
    // GitHub accepts no annotation without a line.
    let line = remark.line.map_or(1, saturating::to_u64);
    Annotation {
        path: changelog.to_owned(),
        start_line: line,
        end_line: line,
        annotation_level: if remark.failed {
            AnnotationLevel::Failure
        } else {
            AnnotationLevel::Warning
        },
        title: remark.title,
        message: remark.message,
    }
}
