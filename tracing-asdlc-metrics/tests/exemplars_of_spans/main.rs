//! The exemplar of a span's metrics is the span's own trace, which `tracing-opentelemetry` makes. Its layer may be called before or
//! after ours.

mod closes;
mod costs;
#[path = "../exemplar_support/mod.rs"]
mod exemplar_support;
mod setup;
mod traces;
