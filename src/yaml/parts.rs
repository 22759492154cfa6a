//! Splits large files into parts that are parsed in parallel. A mapping whose keys start lines can be split before such a line, if each
//! part alone has the same meaning. If that is not certain, or the YAML of a part has an error, the file is parsed as a whole: parts
//! are only for speed and never change a result or a message.

use std::collections::HashSet;
use std::sync::Arc;

use memchr::memmem;
use rayon::prelude::*;

use super::{Node, Reader, Value, parse, parse::MAX_NODES, parse::parse_part};
use crate::model::{Diagnostics, SourceFile};

/// The smallest part, bytes: about a millisecond of work, so that the start of a task costs little in comparison.
const PART_BYTES: usize = 24 * 1024;

/// A piece of a source's text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part<'a> {
    pub text: &'a str,
    /// The number of lines before it.
    pub lines_before: usize,
}

impl<'a> Part<'a> {
    /// A whole source as one part.
    pub(super) fn whole(source: &'a SourceFile) -> Self {
        Self {
            text: &source.text,
            lines_before: 0,
        }
    }
}

/// Parses several files, and the parts of large ones, in parallel. `read` gets the tree of a file or of a part of it (a mapping with
/// some of the file's keys) and returns its items in order. The result has, for each file in the given order, all items and all
/// findings.
pub fn read_side_by_side<T: Send>(
    sources: &[Arc<SourceFile>],
    read: impl Fn(&mut Reader<'_>, &Node) -> Vec<T> + Sync,
) -> Vec<(Vec<T>, Diagnostics)> {
    read_parts(sources, PART_BYTES, read)
}

fn read_parts<T: Send>(
    sources: &[Arc<SourceFile>],
    part_bytes: usize,
    read: impl Fn(&mut Reader<'_>, &Node) -> Vec<T> + Sync,
) -> Vec<(Vec<T>, Diagnostics)> {
    let cut: Vec<Vec<Part<'_>>> = sources.iter().map(|source| cut(&source.text, part_bytes)).collect();
    let mut work = Vec::new();
    for (source, parts) in sources.iter().zip(&cut) {
        if parts.is_empty() {
            work.push((source, None));
        }
        work.extend(parts.iter().map(|part| (source, Some(part))));
    }
    // One part per task: rayon would otherwise group parts, and all would wait for the longest group.
    let mut read_parts = work
        .into_par_iter()
        .with_max_len(1)
        .map(|(source, part)| match part {
            Some(part) => read_part(source, part, &read),
            None => Some(read_whole(source, &read)),
        })
        .collect::<Vec<_>>()
        .into_iter();
    sources
        .iter()
        .zip(&cut)
        .map(|(source, parts)| joined(read_parts.by_ref().take(parts.len().max(1))).unwrap_or_else(|| read_whole(source, &read)))
        .map(|read| (read.made, read.found))
        .collect()
}

/// The items and findings of a part or of a whole file.
struct Read<T> {
    /// Keys of a part.
    keys: Vec<String>,
    size: u64,
    made: Vec<T>,
    found: Diagnostics,
}

fn read_whole<T>(source: &Arc<SourceFile>, read: impl Fn(&mut Reader<'_>, &Node) -> Vec<T>) -> Read<T> {
    let mut found = Diagnostics::new();
    let root = parse(source, &mut found);
    Read {
        made: root.map_or_else(Vec::new, |root| read(&mut Reader::new(source, &mut found), &root)),
        found,
        keys: Vec::new(),
        size: 0,
    }
}

/// `None` if the part is not a block mapping without indentation, or its YAML has an error.
fn read_part<T>(source: &Arc<SourceFile>, part: &Part<'_>, read: impl Fn(&mut Reader<'_>, &Node) -> Vec<T>) -> Option<Read<T>> {
    let mut found = Diagnostics::new();
    let root = parse_part(source, part, &mut found).filter(|_| found.is_empty())?;
    let Value::Mapping(mapping) = &root.value else { return None };
    // A flow mapping starts before its first key.
    let starts = mapping.iter().next().map(|first| first.key.span.start);
    if root.span.start.column != 1 || starts != Some(root.span.start) {
        return None;
    }
    let keys = mapping.iter().map(|entry| entry.name().map(str::to_owned)).collect::<Option<_>>()?;
    let made = read(&mut Reader::new(source, &mut found), &root);
    Some(Read {
        keys,
        size: root.size,
        made,
        found,
    })
}

/// Joins the parts of a file. `None` if the file must be parsed as a whole, because two parts have the same key for example.
fn joined<T>(parts: impl Iterator<Item = Option<Read<T>>>) -> Option<Read<T>> {
    // The iterator must advance over all parts of the file, also after one that failed.
    let mut parts = parts.collect::<Vec<_>>().into_iter();
    let mut whole = parts.next()??;
    let mut keys: HashSet<String> = whole.keys.drain(..).collect();
    for part in parts {
        let part = part?;
        whole.size += part.size;
        if whole.size > MAX_NODES || part.keys.into_iter().any(|key| !keys.insert(key)) {
            return None;
        }
        whole.made.extend(part.made);
        whole.found.append(part.found);
    }
    Some(whole)
}

/// The most value separators (colon, comma, line end) of a text that is split: ten times those of the largest real config. Larger
/// files are more likely an attack, and a useless split doubles the cost.
const MOST_SIGNS: usize = 250_000;

/// Text that a part might interpret differently than the whole without an error: merge keys, document markers, and line breaks that
/// the parser counts differently.
const NOT_CUT: [&str; 7] = ["<<", "\n---", "\n...", "\r", "\u{85}", "\u{2028}", "\u{2029}"];

/// Splits a text into parts of about the same size. Each but the first starts with a line that looks like a key. `None` if the text is
/// small, very large, or must not be split. A split inside a quoted text or a flow mapping, or between an anchor and its alias,
/// leaves a part that cannot be parsed.
fn cut(text: &str, part_bytes: usize) -> Vec<Part<'_>> {
    let sizes = text.len() / part_bytes;
    let has_many_values = || memchr::memchr3_iter(b':', b',', b'\n', text.as_bytes()).count() > MOST_SIGNS;
    if sizes < 2 || has_many_values() || NOT_CUT.iter().any(|mark| memmem::find(text.as_bytes(), mark.as_bytes()).is_some()) {
        return Vec::new();
    }
    let size = text.len().div_ceil(sizes);
    let mut parts = Vec::with_capacity(sizes);
    let mut rest = Part { text, lines_before: 0 };
    while let Some(at) = key_line(rest.text, size) {
        let (head, tail) = rest.text.split_at(at);
        parts.push(Part { text: head, ..rest });
        rest = Part {
            text: tail,
            lines_before: rest.lines_before + head.bytes().filter(|byte| *byte == b'\n').count(),
        };
    }
    parts.push(rest);
    parts
}

/// The start of the first line at or after `from` that may begin with a key and does not end a construct before it: the place of an
/// empty block scalar depends on the next line.
fn key_line(text: &str, from: usize) -> Option<usize> {
    let behind = text.as_bytes().get(from..)?;
    let starts = behind.windows(2).enumerate().filter_map(|(at, pair)| match pair {
        [b'\n', next] if next.is_ascii_alphanumeric() => Some(from + at + 1),
        _ => None,
    });
    starts.into_iter().find(|at| {
        let line = text
            .get(..*at)
            .unwrap_or_default()
            .trim_end()
            .rsplit('\n')
            .next()
            .unwrap_or_default();
        let header = line.trim_end_matches(|last: char| last.is_ascii_digit() || matches!(last, '+' | '-'));
        !line.contains('#') && !header.ends_with(['|', '>'])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every key and value of a mapping with its place.
    fn entries(reader: &mut Reader<'_>, root: &Node) -> Vec<String> {
        let Some(mapping) = reader.mapping(root, "file") else {
            return Vec::new();
        };
        mapping.iter().map(|entry| format!("{entry:?}")).collect()
    }

    fn debug_lines(found: &Diagnostics) -> Vec<String> {
        found.iter().map(|finding| format!("{finding:?}")).collect()
    }

    /// Reads the text in parts of this size and asserts that reading it whole gives the same.
    fn in_parts(text: &str, part_bytes: usize) -> (Vec<String>, Vec<String>) {
        let source = SourceFile::new("f", text);
        let whole = read_whole(&source, entries);
        let (made, found) = read_parts(&[source], part_bytes, entries).remove(0);
        assert_eq!((&made, debug_lines(&found)), (&whole.made, debug_lines(&whole.found)), "{text}");
        (made, debug_lines(&found))
    }

    #[test]
    fn mapping_is_cut_before_keys() {
        let text = "a:\n  b: 1\nc: 1\nd: [2,\n  3]\ne:\n- 4\n- 5\nf: g\n";
        let parts = cut(text, 8);
        assert!(parts.len() > 2, "{parts:?}");
        assert!(
            parts
                .iter()
                .skip(1)
                .all(|part| part.text.starts_with(|first: char| first.is_ascii_alphanumeric()))
        );
        assert_eq!(parts.iter().map(|part| part.text).collect::<String>(), text);
        assert_eq!(parts.last().unwrap().lines_before, 8);
        assert_eq!(in_parts(text, 8).0.len(), 5);
    }

    #[test]
    fn constructs_across_a_cut_are_read_whole() {
        for text in [
            "a: \"x\nb: y\nc: z\"\nd: 1\n",
            "a: {b: 1,\nc: 2,\nd: 3}\ne: 4\n",
            "a: &x 1\nb: 2\nc: *x\nd: 3\n",
            "a: 1\nb: 2\na: 3\nd: 4\n",
            "a: 1\n...\nb: 2\nc: 3\nd: 4\n",
            "a: 1\nb: 2\n---\nc: 3\nd: 4\n",
            "one\ntwo\nthree\nfour\nfive\n",
            "a: 1\nb: [\nc: 2\nd: 3\n",
            "  a: 1\nb: 2\nc: 3\n",
            "{\n  a: 1\n}\nb: 2\nc: 3\n",
            "a: |\nb: 2\nc: |2-\nd: >+\ne: 5\n",
            "a: 1\nb: 010\nc: 2\nd: 3\n",
            "|\na: 1\nb: 2\nc: 3\nd: 4\n",
        ] {
            in_parts(text, 5);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Random lines that open, close and leave open YAML's constructs.
        #[test]
        fn parts_do_not_change_the_result(lines in prop::collection::vec(prop::sample::select(vec![
            "a: 1", "b: 2", "c: 3", "d:", "e: f", "a: again", "- x", "  - y", "  g: 1", "    h: 2", "i", "",
            "j: \"x", "k: y\"", "l: 'x", "m: y'", "\"n\": 1", "'", "\"",
            "o: {p: 1,", "q: 2}", "r: [", "]", "}", "s: [t, u]", "[", "{",
            "v: |", "w: >-", "  text", "text", "x: &x 1", "y: *x", "? z", ": 1", "# comment", "a # comment",
            "---", "--- a", "...", "%YAML 1.1", "<<: {A: 1}", "B: !!str 1", "C: !x 1", "D: 010", "\tE: 1", "F:\t1", "G: 1\r",
            "1: 2", "~: 3", "true: 4", "H: = ", "I: @", "J: `", "K: %", "\u{feff}L: 1", "\u{85}M: 1", "N: \u{2028}1",
        ]), 0..24), part_bytes in 1_usize..40) {
            in_parts(&lines.join("\n"), part_bytes);
        }
    }
}
