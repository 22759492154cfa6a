//! The world. Git, GitHub, processes, sockets, files, clock and environment are touched here and nowhere else; the
//! pure steps get values and give values.

pub mod files;
pub mod git;
pub mod load_driver;
pub mod stop;
pub mod tokenizer;
pub mod workflow;
