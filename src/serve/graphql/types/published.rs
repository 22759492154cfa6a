//! Results of other benchmarks.

use super::Kind::{Json, Number, One, Text, Texts, Whole, Wholes};
use super::{ObjectRow, object};

pub(super) const TYPES: &[ObjectRow] = &[
    object(
        "Published",
        "A result of another benchmark",
        &[
            ("id", Json),
            ("project", Text),
            ("suite", Text),
            ("round", Text),
            ("submitter", Text),
            ("system", Text),
            ("hardware", Text),
            ("accelerators", Whole),
            ("nodes", Whole),
            ("model", Text),
            ("scenario", Text),
            ("metric", Text),
            ("unit", Text),
            ("value", Number),
            ("details", Json),
        ],
    ),
    object(
        "DerivedResult",
        "Numbers derived from a result of MLPerf",
        &[
            ("round", Text),
            ("id", Text),
            ("submitter", Text),
            ("system", Text),
            ("hardware", Text),
            ("accelerators", Whole),
            ("nodes", Whole),
            ("model", Text),
            ("scenario", Text),
            ("unit", Text),
            ("division", Text),
            ("availability", Text),
            ("value", Number),
            ("per_accelerator", Number),
            ("per_node", Number),
            ("per_8_accelerators", Number),
            ("offline", Number),
            ("degradation", Number),
            ("since_round_before", Number),
            ("round_before", Text),
        ],
    ),
    object(
        "DataSet",
        "A data set of MLPerf",
        &[
            ("name", Text),
            ("models", Texts),
            ("requests", Whole),
            ("source", Text),
            ("input", One("Lengths")),
            ("output", One("Lengths")),
        ],
    ),
    object(
        "Lengths",
        "The distribution of lengths, tokens",
        &[
            ("mean", Number),
            ("median", Number),
            ("p90", Number),
            ("p99", Number),
            ("max", Number),
            ("bin_width", Number),
            ("bins", Wholes),
        ],
    ),
];
