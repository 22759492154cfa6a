//! The simulated engine: a server of the OpenAI, SGLang and Triton APIs whose token times come from a small performance model.
//! The model and the scheduler are pure functions of time; the server around them has its own sockets and clock.

#[cfg(test)]
mod closed_loop;
pub mod completion;
pub mod connection;
pub mod faults;
pub mod features;
pub mod ground_truth;
pub mod knowledge;
pub mod model;
pub mod pace;
pub mod prefix_cache;
pub mod presets;
pub mod protocol;
pub mod scheduler;
pub mod server;
pub mod trace;

pub use model::Deployment;
pub use pace::Pace;
pub use presets::Presets;
pub use server::{Server, ServerOptions};
