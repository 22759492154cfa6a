//! NVIDIA's library, read in its own process, and that process as a sampler.

mod library;
mod process;

pub use library::{NvmlError, write_samples};
pub use process::NvmlProcess;
