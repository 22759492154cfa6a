//! Builds a tree from the events of the YAML parser. The cost of a document is bounded: nesting by [`MAX_DEPTH`], and the expansion of
//! aliases by a budget, so that no document of a few lines stands for millions of nodes.

mod values;

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span as ParserSpan, StrInput};

use super::merge::{Flaw, Written, combine};
use super::parts::Part;
use super::{KeyValue, Node, Value, tabs};
use crate::model::saturating;
use crate::model::{Diagnostic, Diagnostics, Place, Position, SourceFile, Span};

/// Most bytes of a document: twenty times the largest real config.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Most nodes that a document may have, written and once every alias is followed: twenty times the largest real config. It
/// keeps the tree, which takes about a hundred bytes a node, below 100 MB.
pub(super) const MAX_NODES: u64 = 600_000;
/// Most levels of a document, aliases included: five times the deepest real config. Parser, readers and the release of the tree recurse.
const MAX_DEPTH: u32 = 64;

/// The tree of a text with one document; an empty text is [`Value::Null`]. All errors are added to `found`.
pub fn parse(source: &Arc<SourceFile>, found: &mut Diagnostics) -> Option<Node> {
    if source.text.len() > MAX_BYTES {
        found.push(too_large(
            source,
            Span::START,
            &format!("{} bytes long", source.text.len()),
            MAX_BYTES,
        ));
        return None;
    }
    parse_part(source, &Part::whole(source), found)
}

/// The tree of a part of a text, with places in the whole text.
pub(super) fn parse_part(source: &Arc<SourceFile>, part: &Part<'_>, found: &mut Diagnostics) -> Option<Node> {
    let options = granit_parser::options! { emit_comments: false };
    let mut builder = Builder {
        parser: Parser::new_from_str_with_options(part.text, options),
        lines_before: part.lines_before,
        source,
        found,
        anchors: HashMap::new(),
        opaque: Vec::new(),
        nodes: 0,
        open: 0,
        failed: false,
    };
    let root = builder.stream();
    let Builder { opaque, mut failed, .. } = builder;
    for span in tabs::between_tokens(part.text, &opaque) {
        failed = true;
        found.push(
            Diagnostic::error("tab", "a tab between tokens, expected spaces")
                .at(Place {
                    file: Arc::clone(source),
                    span: span.below(part.lines_before),
                })
                .help("replace the tab by spaces"),
        );
    }
    if failed { None } else { root }
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Lines of the source before the text that is parsed.
    lines_before: usize,
    source: &'a Arc<SourceFile>,
    found: &'a mut Diagnostics,
    anchors: HashMap<usize, Arc<Node>>,
    /// Byte ranges of quoted and block scalars, where a tab is content.
    opaque: Vec<std::ops::Range<usize>>,
    /// The number of written nodes so far.
    nodes: u64,
    /// The number of lists and mappings that have begun and not ended.
    open: u32,
    failed: bool,
}

fn too_large(source: &Arc<SourceFile>, span: Span, what: &str, most: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error("too-large", format!("this document is {what}, expected at most {most}"))
        .at(Place {
            file: Arc::clone(source),
            span,
        })
        .help("split the file")
}

/// The start of a text, for messages.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The parser's lines count from 1, its columns from 0.
fn position(marker: &Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn span(span: &ParserSpan) -> Span {
    Span {
        start: position(&span.start),
        end: position(&span.end),
    }
}

impl<'a> Builder<'a> {
    fn place(&self, span: Span) -> Place {
        Place {
            file: Arc::clone(self.source),
            span,
        }
    }

    fn error(&mut self, span: Span, code: &'static str, message: impl Into<String>, help: &str) {
        self.failed = true;
        let diagnostic = Diagnostic::error(code, message).at(self.place(span));
        self.found.push(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    }

    fn refuse(&mut self, diagnostic: Diagnostic) {
        self.failed = true;
        self.found.push(diagnostic);
    }

    /// The next event; `None` at the end and after a parse error.
    fn next(&mut self) -> Option<(Event<'a>, Span, ParserSpan)> {
        match self.parser.next_event()? {
            Ok((event, at)) => Some((event, span(&at).below(self.lines_before), at)),
            Err(error) => {
                let at = position(error.marker()).below(self.lines_before);
                self.error(Span { start: at, end: at }, "yaml", error.info(), "");
                None
            }
        }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the parser's events are non-exhaustive")]
    fn stream(&mut self) -> Option<Node> {
        let mut root = None;
        while let Some((event, at, raw)) = self.next() {
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => {
                    let empty = Node {
                        value: Value::Null,
                        span: Span::START,
                        size: 1,
                        depth: 0,
                    };
                    return Some(root.unwrap_or(empty));
                }
                _ if root.is_some() => {
                    self.error(
                        at,
                        "several-documents",
                        "a second document, expected one per file",
                        "move it to its own file",
                    );
                    return None;
                }
                event => {
                    let node = self.node(event, at, &raw)?;
                    if node.size > MAX_NODES {
                        let what = format!("{} values with its aliases expanded", node.size);
                        self.refuse(too_large(self.source, node.span, &what, MAX_NODES));
                        return None;
                    }
                    root = Some(Arc::unwrap_or_clone(node));
                }
            }
        }
        None
    }

    /// The node that an event starts. `None` if the text ends or the parser fails before the node is complete.
    #[allow(clippy::wildcard_enum_match_arm, reason = "the parser's events are non-exhaustive")]
    fn node(&mut self, event: Event<'a>, at: Span, raw: &ParserSpan) -> Option<Arc<Node>> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.refuse(too_large(self.source, at, &format!("more than {MAX_NODES} values long"), MAX_NODES));
            return None;
        }
        let tag_at = raw.tag_span().map_or(at, |tag| span(&tag).below(self.lines_before));
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if !matches!(style, ScalarStyle::Plain) {
                    self.opaque.extend(raw.byte_range());
                }
                let value = match tag {
                    Some(tag) => self.tagged(&text, &tag, tag_at),
                    None => self.untagged(&text, style, at),
                };
                Some(self.finish(value, at, (1, 0), anchor))
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if self.open >= MAX_DEPTH => self.too_deep(at),
            Event::SequenceStart(_, anchor, tag) => {
                self.only_tagged("seq", tag.as_deref(), tag_at);
                self.open += 1;
                let node = self.sequence(at, anchor);
                self.open -= 1;
                node
            }
            Event::MappingStart(_, anchor, tag) => {
                self.only_tagged("map", tag.as_deref(), tag_at);
                self.open += 1;
                let node = self.mapping(at, anchor);
                self.open -= 1;
                node
            }
            Event::Alias(anchor) => {
                if let Some(node) = self.anchors.get(&anchor) {
                    return Some(Arc::clone(node));
                }
                self.error(at, "alias", "an alias inside the value it refers to", "write the value out");
                Some(self.finish(Value::Null, at, (1, 0), 0))
            }
            _ => {
                self.error(at, "yaml", "missing value", "");
                None
            }
        }
    }

    fn too_deep(&mut self, at: Span) -> Option<Arc<Node>> {
        self.refuse(too_large(self.source, at, &format!("more than {MAX_DEPTH} levels deep"), MAX_DEPTH));
        None
    }

    /// Size and depth are those with all aliases expanded.
    fn finish(&mut self, value: Value, span: Span, (size, depth): (u64, u32), anchor: usize) -> Arc<Node> {
        let node = Arc::new(Node { value, span, size, depth });
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        node
    }

    fn sequence(&mut self, start: Span, anchor: usize) -> Option<Arc<Node>> {
        let mut list = Vec::new();
        let (mut size, mut depth) = (1_u64, 0);
        loop {
            let (event, at, raw) = self.next()?;
            if event == Event::SequenceEnd {
                let whole = Span { end: at.end, ..start };
                return Some(self.finish(Value::Sequence(list), whole, (size, depth), anchor));
            }
            let node = self.node(event, at, &raw)?;
            size = size.saturating_add(node.size);
            depth = depth.max(node.depth + 1);
            if depth > MAX_DEPTH {
                return self.too_deep(at);
            }
            list.push(node);
        }
    }

    fn mapping(&mut self, start: Span, anchor: usize) -> Option<Arc<Node>> {
        let mut written = Vec::new();
        let (mut size, mut depth) = (1_u64, 0);
        loop {
            let (event, at, raw) = self.next()?;
            if event == Event::MappingEnd {
                let whole = Span { end: at.end, ..start };
                let own = written.len();
                let mapping = self.combined(written);
                // Merge keys multiply nodes as aliases do, and merged entries are really copied.
                let merged = mapping.entries.len().saturating_sub(own);
                self.nodes = self.nodes.saturating_add(saturating::to_u64(merged));
                return Some(self.finish(Value::Mapping(mapping), whole, (size, depth), anchor));
            }
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, at, &raw)?;
            if matches!(key.value, Value::Sequence(_) | Value::Mapping(_)) {
                self.error(key.span, "key", format!("{} as a key, expected a name", key.value.kind()), "");
            }
            let (event, at, raw) = self.next()?;
            let value = self.node(event, at, &raw)?;
            size = size.saturating_add(key.size).saturating_add(value.size);
            depth = depth.max(key.depth + 1).max(value.depth + 1);
            if depth > MAX_DEPTH {
                return self.too_deep(at);
            }
            written.push(if merges {
                Written::Merge(value)
            } else {
                Written::Own(KeyValue { key, value })
            });
        }
    }

    fn combined(&mut self, written: Vec<Written>) -> super::Mapping {
        let (mapping, flaws) = combine(written);
        for flaw in flaws {
            match flaw {
                Flaw::Duplicate { first, second } => {
                    let key = second.value.as_text().map_or_else(|| second.value.describe(), str::to_owned);
                    let message = format!("the key `{}` is written twice; only the last value counts", shortened(&key));
                    let diagnostic = Diagnostic::warning("duplicate-key", message)
                        .at(self.place(second.span))
                        .related(self.place(first.span), "this one has no effect")
                        .help("remove one of the two");
                    self.found.push(diagnostic);
                }
                Flaw::NotMergeable(source) => {
                    let message = format!("`<<` takes a mapping or a list of mappings, found {}", source.value.describe());
                    self.error(source.span, "merge", message, "");
                }
            }
        }
        mapping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, Vec<String>) {
        let mut found = Diagnostics::new();
        let node = parse(&SourceFile::new("f", text), &mut found);
        let short = |d: &Diagnostic| format!("{} {}", d.place.as_ref().map_or(String::new(), ToString::to_string), d.code);
        (node, found.iter().map(short).collect())
    }

    fn names(node: &Node) -> Vec<(String, String)> {
        let Value::Mapping(mapping) = &node.value else { panic!("{node:?}") };
        mapping
            .iter()
            .map(|e| (e.name().unwrap().to_owned(), e.value.value.describe()))
            .collect()
    }

    #[test]
    fn merged_entries_come_first_and_can_be_overridden() {
        let (node, found) = read("base: &b {x: 1, y: 2}\nown:\n  y: 3\n  <<: *b\n  z: 4\nlist:\n  <<: [{x: 9}, *b]\n");
        assert!(found.is_empty(), "{found:?}");
        let Value::Mapping(root) = node.unwrap().value else { panic!() };
        let pairs = |key: &str| names(root.get(key).unwrap()).into_iter().map(|(k, v)| k + &v).collect::<Vec<_>>();
        assert_eq!(pairs("own"), ["x`1`", "y`3`", "z`4`"]);
        assert_eq!(pairs("list"), ["x`9`", "y`2`"]);
    }

    #[test]
    fn duplicate_key_is_a_warning_and_last_value_wins() {
        let (node, found) = read("a: 1\nb: 2\na: 3\n");
        assert_eq!(found, ["f:3:1 duplicate-key"]);
        assert_eq!(names(&node.unwrap()), [("a".into(), "`3`".into()), ("b".into(), "`2`".into())]);
    }

    #[test]
    fn invalid_documents_are_refused_with_place() {
        for (text, expected) in [
            ("a: 1\n---\nb: 2\n", "f:3:1 several-documents"),
            ("a: !foo b\n", "f:1:4 tag"),
            ("a: *nope\n", "f:1:4 yaml"),
            ("a: &a [*a]\n", "f:1:8 alias"),
            ("a: {b: 1\n", "f:1:4 yaml"),
            ("[a, b]: 1\n", "f:1:1 key"),
            ("<<: foo\n", "f:1:5 merge"),
            ("a:\tb\n", "f:1:3 tab"),
            ("a: 99999999999999999999\n", "f:1:4 number"),
        ] {
            let (node, found) = read(text);
            assert!(node.is_none(), "{text}");
            assert_eq!(found, [expected], "{text}");
        }
    }

    #[test]
    fn tabs_are_content_inside_quotes_blocks_and_comments() {
        let (node, found) = read("a: \"x\ty\" # c\tc\nb: |\n  x\ty\nc: 'x\ty'\n");
        assert!(node.is_some() && found.is_empty(), "{found:?}");
    }

    #[test]
    fn alias_expansion_is_bounded() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let before = level - 1;
            let aliases = vec![format!("*a{before}"); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let (node, found) = read(&text);
        assert!(node.is_none());
        assert_eq!(found, ["f:1:1 too-large"]);
    }

    #[test]
    fn depth_is_bounded_as_written_and_by_aliases() {
        let chain = |levels: usize| {
            let level = |index: usize| format!("a{index}: &a{index} [*a{}]\n", index - 1);
            format!("a0: &a0 []\n{}", (1..levels).map(level).collect::<String>())
        };
        for (text, is_fine) in [
            ("[".repeat(60) + &"]".repeat(60), true),
            ("[".repeat(70) + &"]".repeat(70), false),
            ("[k: ".repeat(70) + &"]".repeat(70), false),
            ("- ".repeat(1_000), false),
            (chain(60), true),
            (chain(100_000), false),
        ] {
            let (node, found) = read(&text);
            assert_eq!(node.is_some(), is_fine, "{} bytes: {found:?}", text.len());
            assert!(is_fine || found.iter().any(|one| one.ends_with("too-large")), "{found:?}");
        }
    }

    #[test]
    fn octal_and_sexagesimal_numbers_are_reported() {
        let (_, found) = read("a: 010\nb: 1:30\nc: 0\nd: 0x10\ne: 10\n");
        assert_eq!(found, ["f:1:4 number-spelling", "f:2:4 number-spelling"]);
    }
}
