//! The part of the load generator without I/O: prompts of exact length, request bytes, incremental parsing of streams, records of
//! the times of each request, and metrics computed from them. Sockets and the clock are in `measure::load_driver`.

pub mod arrival;
pub mod arrival_bins;
pub mod balance;
pub mod bootstrap;
pub mod calibration;
pub mod chat_template;
pub mod chunk;
pub mod content_coding;
pub mod conversations;
pub mod dataset;
mod deepseek_v4;
pub mod detailed;
pub mod detailed_parquet;
pub mod dialogue;
pub mod distribution;
pub mod engine_metrics;
mod exact_values;
pub mod exchange;
pub mod folded;
pub mod gguf;
pub mod health;
pub mod http;
pub mod measured;
pub mod metrics;
pub mod notice;
pub mod optional_key;
pub mod plain_words;
pub mod plan;
pub mod prompt;
pub mod raw_result;
pub mod reason;
pub mod record;
#[cfg(test)]
mod recorded_streams;
pub mod request;
pub mod response;
pub mod search;
pub mod server_clock;
pub mod server_figures;
pub mod server_process;
pub mod settings;
pub mod shard;
pub mod shard_merge;
pub mod shard_result;
pub mod spread;
pub mod sse;
pub mod stamp;
pub mod statistics;
pub mod target;
pub mod timeline;
pub mod token_probe;
pub mod tokens;
pub mod validity;

pub use arrival::{Limit, Schedule};
pub use calibration::Calibration;
pub use chat_template::ChatTemplate;
pub use deepseek_v4::deepseek_v4;
pub use distribution::Distribution;
pub use exchange::{Exchange, Step};
pub use folded::Folded;
pub use health::{Clock, Health};
pub use measured::Measured;
pub use metrics::Metrics;
pub use notice::Notice;
pub use plan::{Plan, PreparedRequest};
pub use reason::{Failure, Reason};
pub use record::Record;
pub use settings::{
    BenchmarkSettings, Dataset, Deadlines, Progress, PromptTemplate, Protocol, RandomLengths, SettingsError, Shortage, Target,
};
pub use shard::Shard;
pub use stamp::Stamp;
pub use tokens::{Tokenizer, TokenizerError};
pub use validity::Doubt;
