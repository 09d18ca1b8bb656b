//! The names of instruments are OpenTelemetry's: every Prometheus exporter makes the same names of them.

mod exporters;
mod schema;
mod target_labels;
