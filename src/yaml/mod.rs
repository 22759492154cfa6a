//! Parses YAML to a tree whose nodes have places, and reads such trees typed, so that all errors of a document are found in one run.
//! Plain scalars follow YAML 1.1 (`yes` is true, `010` is 8, `1:30` is 90, `1e5` is a string), as in InferenceX's tools, whose files
//! imax reads.

mod merge;
mod parse;
mod parts;
mod reader;
mod scalar;
mod tabs;
mod tree;

pub use parse::parse;
pub use parts::read_side_by_side;
pub use reader::{Object, Reader};
pub use tree::{KeyValue, Mapping, Node, Value};
