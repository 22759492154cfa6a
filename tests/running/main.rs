//! `imax run` with real processes: what it leaves behind (results, `job.json`, no process), and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod agentic;
mod agentic_upstream;
mod cancel;
mod cancel_containers;
mod collect;
#[allow(dead_code, reason = "tests/chaos kills it and starts it again")]
mod container_engine;
mod container_image;
mod credentials;
mod docker;
mod doctor;
mod doctor_gpus;
mod doctor_repository;
mod dry_run;
mod earlier_results;
mod evals;
mod evals_upstream;
mod failure;
mod faults;
mod fixture;
mod hooks;
mod hostile_files;
mod launch_scripts;
mod launch_scripts_power;
mod launch_scripts_slurm;
mod llama;
mod no_threads;
mod nvml;
mod podman;
mod private_images;
mod profiling;
mod reap;
mod recipe_library;
mod refusal;
mod repository;
mod retry;
mod self_contained;
mod sessions;
mod shared_node;
mod slurm;
mod stopwatch;
mod success;
mod telemetry;
mod unanswered;
mod watchdog;
