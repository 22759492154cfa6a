//! Slurm as values: how a job is asked for, what its batch script says, what Slurm's tools answer, and what became of the
//! job. Nothing here runs a tool; `fleet::launcher` does.

mod allocation;
mod answer;
mod answer_json;
mod command;
mod image;
mod request;
mod script;
mod step;
mod verdict;

pub use allocation::{Allocation, AllocationError, Roles, allocation};
pub use answer::{
    AnswerError, JobView, NamedJob, SlurmState, canceller_of, node_address, parse_job, parse_named, parse_queue, parse_steps, submitted,
};
pub use answer_json::{parse_accounting_json, parse_queue_json};
pub use command::{
    SlurmVersion, accounting, accounting_json, cancel, find_named, kill_script, kill_steps, queue, queue_json, show_hostnames, show_job,
    show_node, steps, terminate,
};
pub use image::{ImageSource, SquashDoubt, check_superblock, enroot_uri, squash_name};
pub use request::{BatchFolders, BatchRequest, NODE_FILE_PREFIX, batch_request};
pub use script::{EXIT_IMAGE, EXIT_NODE, EXIT_PORT, EXIT_SECRETS, secrets_file};
pub use verdict::{End, end_of};
