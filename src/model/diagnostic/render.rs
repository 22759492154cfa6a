//! A diagnostic as a terminal shows it, in the layout of rustc: title, place, the line with a mark below it, help.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Severity};
use crate::model::Place;

/// Columns of a snippet: enough for any config, without flooding a log. The renderer cuts longer lines around the mark.
const SNIPPET_WIDTH: usize = 160;

/// The longest line that is shown, bytes; of longer ones only the place is shown. The renderer lays out the whole line before it cuts
/// it: a line of 8 MB took 2.6 s, and there may be a thousand findings in it.
const LONGEST_LINE: usize = 10_000;

/// How findings look on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiagnosticStyle {
    pub has_colors: bool,
    /// Columns of a snippet.
    pub width: usize,
}

impl DiagnosticStyle {
    /// Text for logs and files.
    pub const PLAIN: Self = Self {
        has_colors: false,
        width: SNIPPET_WIDTH,
    };

    fn renderer(self) -> Renderer {
        let renderer = if self.has_colors { Renderer::styled() } else { Renderer::plain() };
        renderer.term_width(self.width.min(SNIPPET_WIDTH))
    }
}

pub(super) fn render(diagnostic: &Diagnostic, style: DiagnosticStyle) -> String {
    let level = match diagnostic.severity {
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let mut group = Group::with_title(level.primary_title(printable(&diagnostic.message)).id(diagnostic.code));
    if let Some(place) = &diagnostic.place {
        group = add_place(group, place, AnnotationKind::Primary, None);
    }
    for related in &diagnostic.related {
        group = add_place(group, &related.place, AnnotationKind::Context, Some(&related.message));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    style.renderer().render(&[group])
}

fn add_place<'a>(group: Group<'a>, place: &'a Place, kind: AnnotationKind, label: Option<&str>) -> Group<'a> {
    let line = place.line();
    let name = printable(&place.file.name);
    let start = place.span.start;
    if line.trim().is_empty() || line.len() > LONGEST_LINE {
        return group.element(Origin::path(name).line(start.line).char_column(start.column));
    }
    let annotation = kind.span(bytes_of(line, place)).label(label.map(printable));
    // Only this line: the renderer would index the whole file again for every finding.
    let snippet = Snippet::source(line).line_start(start.line).path(name);
    group.element(snippet.annotation(annotation))
}

/// The bytes of its first line that a place covers. Places count characters.
fn bytes_of(line: &str, place: &Place) -> Range<usize> {
    let first = place.span.start.column - 1;
    byte_offset(line, first)..byte_offset(line, first + place.width())
}

fn byte_offset(line: &str, character: usize) -> usize {
    line.char_indices().nth(character).map_or(line.len(), |(offset, _)| offset)
}

/// Makes control characters of untrusted text visible, so that they cannot control the terminal. The renderer does so only for source
/// lines.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Position, SourceFile, Span};

    fn plain(diagnostic: &Diagnostic) -> String {
        render(diagnostic, DiagnosticStyle::PLAIN)
    }

    fn place(text: &str, line: usize, column: usize, width: usize) -> Place {
        let end = Position {
            line,
            column: column + width,
        };
        Place {
            file: SourceFile::new("a.yaml", text),
            span: Span {
                start: Position { line, column },
                end,
            },
        }
    }

    #[test]
    fn unknown_field_is_marked_with_related_place_and_help() {
        let text = "tp: 8\nkey:\n  tpp: 8\n";
        let diagnostic = Diagnostic::error("unknown-field", "unknown field `tpp`")
            .at(place(text, 3, 3, 3))
            .related(place(text, 1, 1, 2), "`tp` is here")
            .help("did you mean `tp`?");
        insta::assert_snapshot!(plain(&diagnostic), @r"
        error[unknown-field]: unknown field `tpp`
         --> a.yaml:3:3
          |
        3 |   tpp: 8
          |   ^^^
          |
         ::: a.yaml:1:1
          |
        1 | tp: 8
          | -- `tp` is here
          |
          = help: did you mean `tp`?
        ");
    }

    #[test]
    fn diagnostic_without_place_has_title_and_help() {
        let diagnostic = Diagnostic::warning("file", "no config found").help("add configs/*-master.yaml");
        insta::assert_snapshot!(plain(&diagnostic), @r"
        warning[file]: no config found
         |
         = help: add configs/*-master.yaml
        ");
    }

    #[test]
    fn mark_stands_below_wide_characters() {
        let diagnostic = Diagnostic::error("x", "y").at(place("模型: tpp\n", 1, 5, 3));
        insta::assert_snapshot!(plain(&diagnostic), @r"
        error[x]: y
         --> a.yaml:1:5
          |
        1 | 模型: tpp
          |       ^^^
        ");
    }

    #[test]
    fn place_on_an_empty_line_is_shown_without_the_line() {
        let diagnostic = Diagnostic::error("x", "y").at(place("a: 1\n\n", 2, 1, 1));
        insta::assert_snapshot!(plain(&diagnostic), @r"
        error[x]: y
        --> a.yaml:2:1
        ");
    }

    #[test]
    fn long_line_is_cut_around_the_mark() {
        let text = format!("{}x", "a".repeat(5_000));
        let shown = plain(&Diagnostic::error("x", "y").at(place(&text, 1, 5_001, 1)));
        assert!(
            shown.len() < 600 && shown.contains("a.yaml:1:5001") && shown.contains("ax"),
            "{shown}"
        );
    }

    #[test]
    fn very_long_line_is_not_shown() {
        let text = "a".repeat(LONGEST_LINE + 1);
        let shown = plain(&Diagnostic::error("x", "y").at(place(&text, 1, 5_001, 1)));
        assert_eq!(shown, "error[x]: y\n--> a.yaml:1:5001");
    }

    #[test]
    fn control_characters_are_made_visible_everywhere() {
        let hostile = "\u{1b}[31mred\u{202e}";
        let place = place(&format!("{hostile}: 1"), 1, 1, 1);
        let diagnostic = Diagnostic::error("x", hostile)
            .at(place.clone())
            .related(place, hostile)
            .help(hostile);
        assert!(!plain(&diagnostic).contains('\u{1b}'));
    }

    #[test]
    fn colours_change_no_text_and_snippets_fit_the_width() {
        let text = format!("key: {}x", "a ".repeat(100));
        let diagnostic = Diagnostic::error("x", "y").at(place(&text, 1, 100, 3)).help("z");
        for width in [80, 100, 120] {
            let style = |has_colors| DiagnosticStyle { has_colors, width };
            let colored = render(&diagnostic, style(true));
            assert!(colored.contains("\u{1b}["), "{colored}");
            let plain = render(&diagnostic, style(false));
            assert_eq!(console::strip_ansi_codes(&colored), plain);
            for line in plain.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}
