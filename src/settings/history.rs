//! Where the runs of the repository are kept: `history: branch` in `imax.yaml`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::yaml::{Node, Reader};

/// No history, the default.
const NONE: &str = "none";
/// The prefixes of a history's address. A path is not one: a folder on a runner's disk is `imax collect --history`.
const SCHEMES: [&str; 3] = ["branch:", "postgres://", "postgresql://"];

/// The address of a history, as `--to` and `--history` take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryAddress(String);

impl HistoryAddress {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl JsonSchema for HistoryAddress {
    fn schema_name() -> Cow<'static, str> {
        "History".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let schemes = SCHEMES.join("|");
        schemars::json_schema!({
            "type": "string",
            "pattern": format!("^({NONE}|branch|({schemes}).+)$"),
            "description": "none; branch, the branch imax-history of the repository; branch:NAME; or postgres://USER@HOST/DATABASE.",
        })
    }
}

/// Reads the value; `Some(None)` for no history.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Option<HistoryAddress>> {
    let text = reader.text(node, "history")?;
    if text == NONE {
        return Some(None);
    }
    let is_address = text == "branch" || SCHEMES.iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    if is_address {
        return Some(Some(HistoryAddress(text.to_owned())));
    }
    let message = format!("`history` is {text:?}, expected none, branch, branch:NAME or postgres://USER@HOST/DATABASE");
    reader.error(node.span, "value", message);
    None
}

#[cfg(test)]
mod tests {
    use crate::model::SourceFile;
    use crate::settings::Settings;

    #[test]
    fn history_is_an_address_that_every_machine_reaches() {
        for (text, history) in [
            ("history: none", None),
            ("history:", None),
            ("history: branch", Some("branch")),
            ("history: 'branch:team/history'", Some("branch:team/history")),
            ("history: postgres://imax@db/history", Some("postgres://imax@db/history")),
        ] {
            let (settings, _) = Settings::parse(&SourceFile::new("imax.yaml", text)).unwrap();
            assert_eq!(settings.history.as_ref().map(super::HistoryAddress::as_str), history, "{text}");
        }
        for text in [
            "history: brnach",
            "history: 'branch:'",
            "history: history.db",
            "history: [branch]",
            "history: true",
        ] {
            assert!(Settings::parse(&SourceFile::new("imax.yaml", text)).is_err(), "{text}");
        }
    }
}
