//! The identity of a curve as a hash, by which a store finds it. Only dimensions that differ from their default are hashed, so that a
//! new dimension leaves the curves that were stored before it where they are.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{CurveKey, PointKey, SpecDecoding, Workload};

/// The version of [`CurveKey::identity`]; raised when the hash of a curve that exists would change.
pub const CURVE_KEY_VERSION: u32 = 1;

/// A SHA-256 digest; its text is 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a JSON value, whatever the order of its objects' members and however it was indented.
    #[must_use]
    pub fn of_json(mut value: Value) -> Self {
        value.sort_all_objects();
        Self::of(value.to_string().as_bytes())
    }

    /// The digest whose bytes these are; `None` where they are not 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl CurveKey {
    /// What identifies the curve: its dimensions by name, without those that have their default.
    #[must_use]
    pub fn dimensions(&self) -> BTreeMap<&'static str, Value> {
        // Destructured, so that a new dimension cannot be forgotten here. One that is added is left out at its default.
        let Self {
            model_prefix,
            precision,
            runner,
            framework,
            spec_decoding,
            disagg,
            workload,
            layout,
            variant,
        } = self;
        let mut dimensions = BTreeMap::from([
            ("model-prefix", json!(model_prefix)),
            ("precision", json!(precision)),
            ("hardware", json!(runner)),
            ("framework", json!(framework)),
            ("layout", json!(layout)),
        ]);
        match workload {
            Workload::FixedSeqLen(lens) => {
                dimensions.insert("isl", json!(lens.isl));
                dimensions.insert("osl", json!(lens.osl));
            }
            Workload::AgenticCoding => {
                dimensions.insert("scenario", json!("agentic-coding"));
            }
        }
        match spec_decoding {
            SpecDecoding::None => {}
            SpecDecoding::Mtp | SpecDecoding::DraftModel => {
                dimensions.insert("spec-decoding", json!(spec_decoding.as_str()));
            }
        }
        if *disagg {
            dimensions.insert("disagg", json!(true));
        }
        if !variant.is_empty() {
            dimensions.insert("variant", json!(variant));
        }
        dimensions
    }

    /// The SHA-256 of [`CurveKey::dimensions`] and [`CURVE_KEY_VERSION`] as JSON with sorted keys and without spaces.
    #[must_use]
    pub fn identity(&self) -> Digest {
        Digest::of_json(json!({ "version": CURVE_KEY_VERSION, "dimensions": self.dimensions() }))
    }
}

/// The members that a point's key has in JSON.
const KEY_MEMBERS: [&str; 2] = ["curve", "conc"];
/// The members that a curve's key has in JSON.
const CURVE_MEMBERS: [&str; 9] = [
    "model-prefix",
    "precision",
    "runner",
    "framework",
    "spec-decoding",
    "disagg",
    "workload",
    "layout",
    "variant",
];
/// The members of a workload of fixed lengths.
const LENGTH_MEMBERS: [&str; 2] = ["isl", "osl"];

/// Why a JSON value is not the key of a point.
#[derive(Debug, thiserror::Error)]
pub enum PointKeyError {
    /// A dimension that this version does not know: without it, the point would be taken for another one.
    #[error("the key has an unknown dimension `{name}` ({value}); read the file with the imax that wrote it, or a newer one")]
    UnknownDimension { name: String, value: String },
    #[error("the key is invalid: {0}")]
    Form(#[from] serde_json::Error),
}

impl PointKey {
    /// Refuses a key with members beyond those that this version knows, which serde would pass over.
    ///
    /// # Errors
    /// [`PointKeyError::UnknownDimension`].
    pub fn check_dimensions(key: &Value) -> Result<(), PointKeyError> {
        let curve = &key["curve"];
        check_members(key, &KEY_MEMBERS)?;
        check_members(curve, &CURVE_MEMBERS)?;
        check_members(&curve["workload"]["fixed-seq-len"], &LENGTH_MEMBERS)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`PointKeyError`] for what is not a key, and for a dimension that this version does not know.
    pub fn from_json(key: Value) -> Result<Self, PointKeyError> {
        Self::check_dimensions(&key)?;
        Ok(serde_json::from_value(key)?)
    }
}

fn check_members(value: &Value, known: &[&str]) -> Result<(), PointKeyError> {
    let unknown = value
        .as_object()
        .and_then(|members| members.iter().find(|(name, _)| !known.contains(&name.as_str())));
    match unknown {
        None => Ok(()),
        Some((name, value)) => Err(PointKeyError::UnknownDimension {
            name: name.chars().take(100).collect(),
            value: value.to_string().chars().take(100).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn key() -> Value {
        json!({
            "curve": {
                "model-prefix": "dsr1", "precision": "fp8", "runner": "h200", "framework": "trt", "spec-decoding": "none", "disagg": false,
                "workload": { "fixed-seq-len": { "isl": 8192, "osl": 1024 } }, "layout": "tp8-ep8"
            },
            "conc": 64
        })
    }

    fn curve(change: impl Fn(&mut Value)) -> CurveKey {
        let mut key = key();
        change(&mut key["curve"]);
        PointKey::from_json(key).unwrap().curve
    }

    /// Stores have this digest: `printf '{"dimensions":{…},"version":1}' | sha256sum` gives it as well.
    #[test]
    fn hash_of_a_stored_curve_never_changes() {
        let text = r#"{"dimensions":{"framework":"trt","hardware":"h200","isl":8192,"layout":"tp8-ep8","model-prefix":"dsr1","osl":1024,"precision":"fp8"},"version":1}"#;
        let identity = curve(|_| ()).identity();
        assert_eq!(identity, Digest::of(text.as_bytes()));
        assert_eq!(
            identity.to_string(),
            "3c3cf1cd5b11fce788fb7ec863f826c9c9e356ae0d93573242675d245dbe7ce8"
        );
    }

    #[test]
    fn every_dimension_tells_curves_apart() {
        let plain = curve(|_| ()).identity();
        let changes: [(&str, Value); 11] = [
            ("model-prefix", json!("dsv3")),
            ("precision", json!("fp4")),
            ("runner", json!("b200")),
            ("framework", json!("vllm")),
            ("spec-decoding", json!("mtp")),
            ("disagg", json!(true)),
            ("workload", json!("agentic-coding")),
            ("workload", json!({ "fixed-seq-len": { "isl": 8192, "osl": 8192 } })),
            ("layout", json!("tp8")),
            ("variant", json!({ "dataset": "sharegpt" })),
            ("variant", json!({ "turns": "4" })),
        ];
        let mut seen = vec![plain];
        for (name, value) in changes {
            let changed = curve(|curve| curve[name] = value.clone()).identity();
            assert!(!seen.contains(&changed), "{name} = {value} is not part of the identity");
            seen.push(changed);
        }
    }

    #[test]
    fn defaults_are_not_hashed() {
        let dimensions = curve(|_| ()).dimensions();
        let names: Vec<&str> = dimensions.keys().copied().collect();
        assert_eq!(
            names,
            ["framework", "hardware", "isl", "layout", "model-prefix", "osl", "precision"]
        );
    }

    #[test]
    fn unknown_dimension_is_refused_with_its_name_and_value() {
        for (name, parent, value) in [
            ("offload", "/curve", json!("cpu")),
            ("rate", "", json!(4)),
            ("turns", "/curve/workload/fixed-seq-len", json!(8)),
        ] {
            let mut key = key();
            key.pointer_mut(parent).unwrap()[name] = value;
            let error = PointKey::from_json(key).unwrap_err().to_string();
            assert!(error.contains(&format!("unknown dimension `{name}`")), "{error}");
        }
        let mut zero = key();
        zero["conc"] = json!(0);
        assert!(matches!(PointKey::from_json(zero), Err(PointKeyError::Form(_))));
    }
}
