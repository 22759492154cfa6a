//! `imax import-image`: imports an image into a cache that many jobs share. Batch scripts call it on their nodes.

use std::path::PathBuf;

use clap::Args;

use super::output::{emit, say};
use super::{Exit, Failure};
use crate::fleet::image_cache::cached_image;
use crate::job::PhaseTime;
use crate::system::cancellation::Cancellation;

/// Import a container image with Enroot into a shared cache, once for all jobs, and print its path.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax import-image --image nvcr.io/nvidia/tritonserver:25.01 --cache /shared/images")]
pub struct ImportImageArgs {
    /// The image, written as in the configs.
    #[arg(long)]
    image: String,
    /// The cache, a folder that all nodes share.
    #[arg(long, value_name = "DIR")]
    cache: PathBuf,
    /// Maximum duration, such as 90s or 30m, including the wait while another job imports the image.
    #[arg(long, default_value = "1h")]
    deadline: PhaseTime,
}

/// Runs the command.
///
/// # Errors
/// If the image cannot be imported.
pub fn run(args: ImportImageArgs) -> Result<Exit, Failure> {
    let ImportImageArgs { image, cache, deadline } = args;
    let cancellation = Cancellation::on_signals()?;
    let path = cached_image(&image, &cache, deadline.duration(), &cancellation, &print_step)?;
    emit(&format!("{}\n", path.display()))?;
    Ok(Exit::Success)
}

/// The prefix tells the line from others in the log of the job.
fn print_step(text: &str) {
    say(&format!("imax: {text}"));
}
