//! NVIDIA's library: what a process of its own reads from it, and that process as a sampler.

mod library;
mod process;

pub use library::{NvmlError, write_samples};
pub use process::NvmlProcess;
