//! Config entries to matrix rows: expansion exists once, and filters, trimming and eval marking are separate pure
//! functions over rows.

mod row;

pub use row::{Component, Concurrencies, EvalMark, KvOffloading, Row, RowError, Scenario};
