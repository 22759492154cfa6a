//! Offloading of KV blocks that do not fit on the GPU in agentic entries, and the host memory that it may use.

use std::fmt;

use crate::model::{Component, KvOffloading, Span};
use crate::yaml::{Node, Object, Reader, Value};

/// Offloading of one search-space entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Offload {
    /// None.
    None,
    Dram {
        backend: Component,
        /// The share of a node's memory that all of its GPUs together may use.
        utilization: Utilization,
    },
}

/// A share above 0 and up to 1, kept as the written decimal: binary fractions would make 0.61 of a number inexact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utilization {
    /// The digits after the point, as a whole number.
    pub numerator: u64,
    /// Ten to the power of the number of digits.
    pub denominator: u64,
}

impl Utilization {
    /// The share that a number represents, by its shortest decimal form. `None` outside of 0 to 1.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if !(value > 0.0 && value <= 1.0) {
            return None;
        }
        let text = value.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let denominator = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        Some(Self {
            numerator: format!("{whole}{fraction}").parse().ok()?,
            denominator,
        })
    }
}

impl fmt::Display for Utilization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

/// Fields of a search-space entry.
pub(super) const FIELDS: [&str; 2] = ["kv-offloading", "kv-offload-backend"];

/// Fields of a component next to the engine.
pub(super) const COMPONENT_FIELDS: [&str; 2] = ["name", "version"];

const WORDS: [(&str, KvOffloading); 2] = [("none", KvOffloading::None), ("dram", KvOffloading::Dram)];

/// Reads `dram-utilization` of an agentic block.
pub(super) fn read_utilization(reader: &mut Reader<'_>, node: &Node) -> Option<Utilization> {
    let value = match &node.value {
        Value::Float(value) => Utilization::from_f64(*value),
        Value::Int(1) => Utilization::from_f64(1.0),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Date(_) | Value::Text(_) | Value::Sequence(_) | Value::Mapping(_) => None,
    };
    if value.is_none() {
        let message = format!(
            "`dram-utilization` is {}, expected a number above 0 and up to 1",
            node.value.describe()
        );
        reader.error(node.span, "range", message);
    }
    value
}

/// `dram-utilization` of a block.
#[derive(Debug, Clone, Copy)]
pub(super) enum Share {
    Given(Utilization),
    Absent,
    /// An invalid value, already reported; consequences are not reported again.
    Invalid,
}

/// Reads the offloading of a search-space entry. `required`: `kv-offloading` must be present.
pub(super) fn read(reader: &mut Reader<'_>, object: &Object<'_>, share: Share, required: bool) -> Option<Offload> {
    let written = if required {
        Some(reader.required(object, "kv-offloading", "search-space entry")?)
    } else {
        object.written("kv-offloading")
    };
    let mode = match written {
        Some(node) => reader.choice(node, "kv-offloading", &WORDS)?,
        None => KvOffloading::None,
    };
    let backend = object.get("kv-offload-backend");
    match (mode, backend) {
        (KvOffloading::None, None) => Some(Offload::None),
        (KvOffloading::None, Some(_)) => {
            let message = "`kv-offload-backend` without offloading";
            reader.error_with_help(
                object.key_span("kv-offload-backend"),
                "offload",
                message,
                "write `kv-offloading: dram`, or remove the backend",
            );
            None
        }
        (KvOffloading::Dram, None) => {
            let message = "`kv-offloading: dram` requires `kv-offload-backend`";
            reader.error_with_help(
                object.key_span("kv-offloading"),
                "offload",
                message,
                "add `kv-offload-backend: { name: ... }`",
            );
            None
        }
        (KvOffloading::Dram, Some(node)) => {
            let backend = read_component(reader, node, "kv-offload-backend", Version::Optional)?;
            match share {
                Share::Given(utilization) => Some(Offload::Dram { backend, utilization }),
                Share::Invalid => None,
                Share::Absent => {
                    let message = "`kv-offloading: dram` requires `dram-utilization` in its block";
                    reader.error(object.key_span("kv-offloading"), "offload", message);
                    None
                }
            }
        }
    }
}

/// Whether a component must have a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Required,
    Optional,
}

pub(super) fn read_component(reader: &mut Reader<'_>, node: &Node, what: &str, version: Version) -> Option<Component> {
    let object = reader.object(node, what, &COMPONENT_FIELDS)?;
    let name = reader
        .required(&object, "name", what)
        .and_then(|node| reader.text(node, &format!("{what}.name")).map(str::to_owned));
    let written = match version {
        Version::Required => Some(reader.required(&object, "version", what)?),
        Version::Optional => object.get("version"),
    };
    let version = match written {
        Some(node) => Some(read_version(reader, node, what)?),
        None => None,
    };
    Some(Component { name: name?, version })
}

/// A version is a release or a commit; an image reference means that the component is part of the engine's image.
fn read_version(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<String> {
    let text = reader.text(node, &format!("{what}.version"))?;
    if text.starts_with("image:") {
        let message = format!("`{what}.version` is {text:?}, expected a release or a commit");
        reader.error(node.span, "version", message);
        return None;
    }
    Some(text.to_owned())
}

/// The place of an object's first key, for a message about the whole object.
pub(super) fn head(object: &Object<'_>) -> Span {
    Span {
        end: object.span().start,
        ..object.span()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utilization_keeps_the_written_decimal() {
        for (value, expected) in [
            (0.61, Some((61, 100))),
            (1.0, Some((1, 1))),
            (0.086, Some((86, 1000))),
            (0.3333333333333333, Some((3_333_333_333_333_333, 10_000_000_000_000_000))),
            (0.0, None),
            (1.01, None),
            (f64::NAN, None),
        ] {
            let found = Utilization::from_f64(value).map(|share| (share.numerator, share.denominator));
            assert_eq!(found, expected, "{value}");
        }
    }
}
