//! The JSON Schema of `imax.yaml`. A test compares its keys with those of the readers.

use schemars::JsonSchema;
use serde_json::Value;

use super::{HistoryAddress, Ingest, Policy, Queue, Regressions};
use crate::model::{Nullable, json_schema};

#[derive(JsonSchema)]
#[schemars(title = "imax settings")]
// An empty file is a valid document.
struct Document(Nullable<SettingsDocument>);

#[derive(JsonSchema)]
#[schemars(rename = "Settings", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used: an empty section is valid")]
struct SettingsDocument {
    /// Which events trigger which sweeps.
    #[schemars(default)]
    policy: Option<Nullable<Policy>>,
    /// What counts as a regression.
    #[schemars(default)]
    regressions: Option<Nullable<Regressions>>,
    /// Where the action keeps runs, and what it compares with.
    #[schemars(default)]
    history: Option<Nullable<HistoryAddress>>,
    /// Which runners take the jobs of rows, and which jobs come first.
    #[schemars(default)]
    queue: Option<Nullable<Queue>>,
    /// The repository that is notified about published results.
    #[schemars(default)]
    ingest: Option<Nullable<Ingest>>,
}

/// The schema of a settings file.
#[must_use]
pub fn schema() -> Value {
    json_schema::<Document>()
}

#[cfg(test)]
mod tests {
    use super::super::{FIELDS, ingest, policy, regressions};
    use super::*;

    #[test]
    fn schema_has_the_keys_of_the_readers() {
        let schema = schema();
        for (name, fields) in [
            ("Settings", &FIELDS[..]),
            ("Ingest", &ingest::FIELDS),
            ("Policy", &policy::FIELDS),
            ("Sweep", &policy::SWEEP_FIELDS),
            ("Regressions", &regressions::FIELDS),
            ("SmallestChange", &regressions::SMALLEST_CHANGE_FIELDS),
            ("Exception", &regressions::EXCEPTION_FIELDS),
        ] {
            let object = &schema["$defs"][name];
            let keys: Vec<&str> = object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(keys, fields, "{name}");
            assert_eq!(object["additionalProperties"], false, "{name}");
        }
    }
}
