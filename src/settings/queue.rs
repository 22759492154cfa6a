//! `queue:`, which runners take the jobs of rows, and which jobs come first.

use schemars::JsonSchema;

use super::texts;
use crate::model::Nullable;
use crate::yaml::{Node, Reader};

/// Labels and priorities of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Queue {
    /// Labels that a row's runner must have besides the row's own, such as `self-hosted`.
    #[schemars(inner(length(min = 1)))]
    pub labels: Vec<String>,
    /// File with the scores of jobs, in the form of InferenceX's `ci-priority.yaml`. Jobs then ask for runners with labels of their
    /// score, so that a scheduler of the fleet decides which job comes first.
    #[schemars(with = "Nullable<String>")]
    pub priorities: Option<String>,
}

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Queue> {
    let object = reader.object(node, "queue", &["labels", "priorities"])?;
    let labels = match object.get("labels") {
        Some(node) => texts(reader, node, "labels"),
        None => Some(Vec::new()),
    };
    let priorities = match object.get("priorities") {
        Some(node) if node.value == crate::yaml::Value::Null => Some(None),
        Some(node) => reader.text(node, "priorities").map(|path| Some(path.to_owned())),
        None => Some(None),
    };
    Some(Queue {
        labels: labels?,
        priorities: priorities?,
    })
}
