//! YAML text to a tree whose every node knows its place, and typed reading of such a tree that finds all errors of a
//! document in one run. Plain scalars mean what YAML 1.1 says (`yes` is true, `010` is 8, `1:30` is 90, `1e5` is a
//! string), because that is how the tools read whose files we take over.

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
