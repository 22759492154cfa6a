//! Measuring a server: the load driver, tokenizers and the model hub, calibration of the client, and the measurement that combines them.

mod bench;
mod calibrate;
pub mod calibration_store;
mod dataset_prompts;
mod discovery;
mod engine_sampler;
pub mod hub;
mod hub_questions;
pub mod load_driver;
mod measurement;
mod prompt_source;
mod prompts;
mod result_files;
mod search;
mod server_tokenizer;
mod server_under_test;
mod servers_under_test;
mod shard_arrays;
mod shards;
pub mod sim_process;
pub mod tokenizer;

pub use bench::{BenchError, BenchEvent, BenchOutcome, BenchSettings, bench};
pub use calibrate::CalibrateError;
pub use discovery::{Discovery, TokenizerSource, Unknown};
pub use hub_questions::HubQuestionsError;
pub use measurement::{MeasureError, measure, prepare};
pub use prompt_source::read_sessions;
pub use result_files::{DetailedFormat, ResultFileError, ResultFiles};
pub use search::{SearchGoal, SearchOutcome, SearchResult, SearchSettings, TriedLoad, search};
pub use server_under_test::PROFILE_FLUSH_LIMIT;
pub use shards::{CollectedShards, ShardsError, collect_shards};
