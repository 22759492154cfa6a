//! The pure half of the load generator: prompts of exact length, request bodies, incremental stream parsing,
//! records of what happened when, and the metrics made of them.
