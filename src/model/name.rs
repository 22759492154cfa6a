//! Types of names. Each is a non-empty string without control characters; methods give what is special about one, such as a runner's
//! profile prefix. A config entry becomes many rows, so the text is shared, and cloning a name costs no allocation.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("{kind} is empty, expected a name")]
    Empty {
        /// The kind of name, such as `runner name`.
        kind: &'static str,
    },
    /// The text has a line break, a NUL or another control character.
    #[error("{kind} {text:?} has the control character {found:?}, expected printable text")]
    Control {
        /// What the text was to name.
        kind: &'static str,
        /// The refused text.
        text: String,
        /// The first control character in it.
        found: char,
    },
}

fn check(kind: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { kind });
    }
    match text.chars().find(|c| c.is_control()) {
        Some(found) => Err(NameError::Control {
            kind,
            text: text.to_owned(),
            found,
        }),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
        #[serde(try_from = "String")]
        #[schemars(inline, extend("minLength" = 1))]
        pub struct $type(Arc<str>);

        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check($kind, text)?;
                Ok(Self(Arc::from(text)))
            }
        }

        /// Allows to look up keys of maps by text.
        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A master config key, `<model>-<precision>-<gpu>-<framework>`.
    ConfigKey,
    "config key"
);
name!(
    /// The model's name on a hub, or its folder, such as `deepseek-ai/DeepSeek-R1-0528`.
    ModelName,
    "model"
);
name!(
    /// The model's short name in file names and tables, such as `dsr1`.
    ModelPrefix,
    "model-prefix"
);
name!(
    /// The numeric format of the weights, such as `fp8`.
    Precision,
    "precision"
);
name!(
    /// The inference engine, such as `vllm`, `sglang`, `trt` or `dynamo-trt`.
    Framework,
    "framework"
);
name!(
    /// A container image, as written in the config.
    Image,
    "image"
);
name!(
    /// A runner label, such as `h200` or `cluster:gb200-nv`: jobs request runners by it.
    RunnerLabel,
    "runner"
);
name!(
    /// The name or the value of a dimension that only results of other tools have, such as `dataset` or `sharegpt`.
    VariantText,
    "dimension"
);
name!(
    /// One runner's own name, `<prefix>_<n>`, such as `h200-cw_0`.
    RunnerName,
    "runner name"
);

impl RunnerName {
    /// The name without its last `_<n>`; it selects the runner profile. A name without a number is its own prefix.
    #[must_use]
    pub fn profile_prefix(&self) -> &str {
        match self.0.rsplit_once('_') {
            Some((prefix, number)) if !prefix.is_empty() && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => prefix,
            Some(_) | None => &self.0,
        }
    }
}

/// A job may ask for one node by its name, which GitHub treats as a label.
impl From<&RunnerName> for RunnerLabel {
    fn from(name: &RunnerName) -> Self {
        Self(Arc::clone(&name.0))
    }
}

impl RunnerLabel {
    /// The kind of GPU: the label without the prefix `cluster:`, up to the first `-`
    /// (`cluster:gb200-nv` and `gb200-multinode` are both `gb200`).
    #[must_use]
    pub fn gpu(&self) -> &str {
        let bare = self.0.strip_prefix("cluster:").unwrap_or(&self.0);
        bare.split_once('-').map_or(bare, |(gpu, _)| gpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_and_control_characters_are_refused() {
        assert_eq!("".parse::<Framework>(), Err(NameError::Empty { kind: "framework" }));
        assert!(matches!("a\nb".parse::<Image>(), Err(NameError::Control { found: '\n', .. })));
    }

    #[test]
    fn profile_prefix_ends_before_the_last_number() {
        for (name, prefix) in [
            ("h200-cw_0", "h200-cw"),
            ("b200-dgxc_00", "b200-dgxc"),
            ("my_node_12", "my_node"),
            ("laptop", "laptop"),
            ("gpu_box", "gpu_box"),
            ("_1", "_1"),
        ] {
            assert_eq!(name.parse::<RunnerName>().unwrap().profile_prefix(), prefix);
        }
    }

    #[test]
    fn gpu_of_a_label() {
        for (label, gpu) in [
            ("h200", "h200"),
            ("b200-trt", "b200"),
            ("cluster:gb200-nv", "gb200"),
            ("mi355x-disagg", "mi355x"),
        ] {
            assert_eq!(label.parse::<RunnerLabel>().unwrap().gpu(), gpu);
        }
    }
}
