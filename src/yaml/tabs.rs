//! Finds tabs between tokens. YAML 1.2 allows some of them, but InferenceX's tools allow none, and files should stay readable by them.

use std::ops::Range;

use crate::model::{Position, Span};

/// The tabs outside of opaque ranges (byte ranges of quoted and block scalars) and comments; one for each line.
pub(super) fn between_tokens(text: &str, opaque: &[Range<usize>]) -> Vec<Span> {
    if !text.contains('\t') {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut offset = 0;
    for (line_index, line) in text.split_inclusive('\n').enumerate() {
        let comment = line
            .match_indices('#')
            .find(|(at, _)| !is_inside(opaque, offset + at) && line[..*at].chars().next_back().is_none_or(char::is_whitespace));
        let code = &line[..comment.map_or(line.len(), |(at, _)| at)];
        if let Some((at, _)) = code.match_indices('\t').find(|(at, _)| !is_inside(opaque, offset + at)) {
            let column = line[..at].chars().count() + 1;
            let start = Position {
                line: line_index + 1,
                column,
            };
            let end = Position {
                column: column + 1,
                ..start
            };
            found.push(Span { start, end });
        }
        offset += line.len();
    }
    found
}

/// Whether a byte is in one of the sorted ranges.
fn is_inside(opaque: &[Range<usize>], at: usize) -> bool {
    let next = opaque.partition_point(|range| range.end <= at);
    opaque.get(next).is_some_and(|range| range.contains(&at))
}
