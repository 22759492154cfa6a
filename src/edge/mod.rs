//! The world. Git, GitHub, processes, sockets, files, clock and environment are touched here and nowhere else; the
//! pure steps get values and give values.

pub mod archive;
pub mod artifacts;
pub mod calibration_store;
pub mod checkout;
pub mod commit;
pub mod engine_log;
pub mod evaluation;
pub mod files;
pub mod git;
pub mod github;
pub mod history;
pub mod host;
pub mod http_client;
pub mod hub;
pub mod image_cache;
pub mod job_state;
pub mod launcher;
pub mod load_driver;
pub mod node;
pub mod plain_http;
pub mod ports;
pub mod process;
pub mod ready;
pub mod reap;
pub mod redaction;
pub mod retry;
pub mod sim_process;
pub mod stop;
pub mod telemetry;
pub mod tls;
pub mod tokenizer;
pub mod tool;
pub mod webhook;
pub mod workflow;
