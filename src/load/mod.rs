//! The pure half of the load generator: prompts of exact length, request bytes, incremental stream parsing, records
//! of what happened when, and the metrics made of them. The sockets and the clock are in `edge::load_driver`.

pub mod bootstrap;
pub mod chunk;
pub mod detailed;
pub mod exchange;
pub mod health;
pub mod http;
pub mod measured;
pub mod metrics;
pub mod plan;
pub mod prompt;
pub mod reason;
pub mod record;
pub mod request;
pub mod settings;
pub mod sse;
pub mod stamp;
pub mod statistics;
pub mod timeline;
pub mod tokens;
pub mod validity;

pub use exchange::{Exchange, Step};
pub use health::{Clock, Health};
pub use measured::Measured;
pub use metrics::{ItlSource, Metrics};
pub use plan::{Plan, PreparedRequest, Schedule};
pub use reason::{Failure, Reason};
pub use record::Record;
pub use settings::{Arrival, Dataset, Deadlines, Progress, Protocol, RandomLengths, Settings, SettingsError, Target};
pub use stamp::Stamp;
pub use tokens::{Tokenizer, TokenizerError};
pub use validity::Doubt;
