//! The pure half of the load generator: prompts of exact length, request bytes, incremental stream parsing, records
//! of what happened when, and the metrics made of them. The sockets and the clock are in `measure::load_driver`.

pub mod arrival;
pub mod bootstrap;
pub mod calibration;
pub mod chat_template;
pub mod chunk;
pub mod conversations;
pub mod dataset;
pub mod detailed;
pub mod detailed_parquet;
pub mod dialogue;
pub mod exchange;
pub mod health;
pub mod http;
pub mod measured;
pub mod metrics;
pub mod plan;
pub mod prompt;
pub mod raw_result;
pub mod reason;
pub mod record;
pub mod request;
pub mod response;
pub mod server_process;
pub mod settings;
pub mod spread;
pub mod sse;
pub mod stamp;
pub mod statistics;
pub mod target;
pub mod timeline;
pub mod tokens;
pub mod validity;

pub use arrival::{Limit, Schedule};
pub use calibration::Calibration;
pub use chat_template::ChatTemplate;
pub use exchange::{Exchange, Step};
pub use health::{Clock, Health};
pub use measured::Measured;
pub use metrics::{ItlSource, Metrics};
pub use plan::{Plan, PreparedRequest};
pub use reason::{Failure, Reason};
pub use record::Record;
pub use settings::{
    Arrival, Dataset, Deadlines, Progress, Protocol, Ramp, RampKind, RandomLengths, Sessions, Settings, SettingsError, Target,
};
pub use stamp::Stamp;
pub use tokens::{Tokenizer, TokenizerError};
pub use validity::Doubt;
