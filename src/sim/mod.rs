//! The simulated engine: an OpenAI-compatible server whose token times come from a small stated performance model.
