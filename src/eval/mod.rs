//! Accuracy tasks: lm-eval's task files of type `generate_until`, from documents to prompts, from answers to scores. Pure: data and
//! answers come in as values, so the same task gives the same prompts and scores wherever it runs.

pub mod answer_text;
pub mod dataset;
pub mod filter;
pub mod message;
pub mod metric;
pub mod python;
pub mod request;
pub mod results;
pub mod score;
pub mod scored_task;
pub mod task;
pub mod task_questions;
pub mod template;
pub mod threshold;
