//! Measuring a server: the load driver, tokenizers and the model hub that they come from, and what this client itself costs.

pub mod calibration_store;
pub mod hub;
pub mod load_driver;
pub mod sim_process;
pub mod tokenizer;
