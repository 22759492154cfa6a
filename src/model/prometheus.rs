//! Metrics in the text format of Prometheus (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! The crate prometheus-parse is not used: it splits labels at commas inside quotes, keeps escapes, and does not accept `:` in names.

/// One line of metrics: `name{label="value",...} number [time]`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSample<'a> {
    pub name: &'a str,
    pub value: f64,
    labels: Vec<(&'a str, String)>,
}

impl<'a> MetricSample<'a> {
    /// Parses a line; `None` for a comment or an incomplete line.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let end = line.find(['{', ' ', '\t'])?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            loop {
                rest = rest.trim_start_matches([',', ' ']);
                if let Some(after) = rest.strip_prefix('}') {
                    rest = after;
                    break;
                }
                let (label, after) = rest.split_once("=\"")?;
                let (value, after) = unquoted(after)?;
                labels.push((label, value));
                rest = after;
            }
        }
        let value = rest.split_whitespace().next()?.parse().ok()?;
        (!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')).then_some(Self {
            name,
            value,
            labels,
        })
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The text up to the closing quote, without its escapes, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_may_hold_commas_braces_and_quotes() {
        let line = r#"vllm:power{gpu="1",pod="a \"b\", {c}",} 700 1795316401250"#;
        let sample = MetricSample::parse(line).unwrap();
        assert_eq!((sample.name, sample.value.to_bits()), ("vllm:power", 700_f64.to_bits()));
        assert_eq!((sample.label("gpu"), sample.label("pod")), (Some("1"), Some("a \"b\", {c}")));
        assert_eq!(sample.label("node"), None);
    }

    #[test]
    fn comments_and_incomplete_lines_are_no_samples() {
        for line in ["# HELP x y", "", "x", "x{a=\"1\"", "x{a=\"1\"}", "<html> 1", "x one"] {
            assert_eq!(MetricSample::parse(line), None, "{line}");
        }
        assert!(MetricSample::parse("x 1.5e3").is_some() && MetricSample::parse("x{} 1").is_some());
    }
}
