//! Results to systems of other teams: a tracking server of MLflow, a collector of OpenTelemetry. Addresses may be arguments, secrets come from
//! the environment by the names that these systems gave them.

mod mlflow;
mod otlp;
mod push;

pub(crate) use mlflow::{DEFAULT_EXPERIMENT, Mlflow};
pub(crate) use otlp::Otlp;
pub(crate) use push::{ExporterError, RunName};
