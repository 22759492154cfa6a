//! What is logged, and what waits for reviewers.

use super::Kind::{Text, Whole};
use super::{ObjectRow, object};

pub(super) const TYPES: &[ObjectRow] = &[
    object(
        "Submission",
        "Results that somebody sent, without their runs",
        &[
            ("id", Whole),
            ("submitted", Text),
            ("by", Text),
            ("project", Text),
            ("state", Text),
            ("runs", Whole),
            ("points", Whole),
            ("note", Text),
            ("decided", Text),
            ("decided_by", Text),
            ("reason", Text),
        ],
    ),
    object(
        "Delivery",
        "A message of a saved query",
        &[
            ("delivery", Text),
            ("receiver", Text),
            ("watch", Text),
            ("created", Text),
            ("state", Text),
            ("attempts", Whole),
            ("status", Whole),
            ("reason", Text),
            ("due", Text),
            ("ended", Text),
        ],
    ),
    object(
        "Write",
        "A write that was asked for",
        &[
            ("at", Text),
            ("token", Whole),
            ("name", Text),
            ("action", Text),
            ("status", Whole),
            ("detail", Text),
            ("address", Text),
            ("request_id", Text),
        ],
    ),
];
