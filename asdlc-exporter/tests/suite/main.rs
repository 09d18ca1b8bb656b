//! Behaviour of the exporter through its public API.

mod allocations;
mod arbitrary;
mod build;
mod check;
mod check_open;
#[expect(unreachable_pub, clippy::doc_markdown, reason = "generated")]
#[path = "../client_model/mod.rs"]
mod client_model;
mod client_timeout;
mod conformance;
mod empty_labels;
mod environment;
mod exemplars;
mod families;
mod gate;
mod idle;
mod limits;
mod logged;
mod native_histograms;
mod negotiation;
mod numbers;
mod open_metrics;
mod policy;
#[cfg(feature = "process")]
mod process;
#[cfg(feature = "prometheus-client")]
mod prometheus_client;
mod prometheus_reader;
mod protobuf;
mod queue;
mod reader_misuse;
mod readers;
mod reference;
#[cfg(all(feature = "prometheus", feature = "prometheus-client"))]
mod registries;
#[cfg(feature = "prometheus")]
mod registry;
mod same_series;
mod scopes;
mod scrape;
mod sdk_alone;
mod self_metrics;
mod sources;
mod streams;
mod streams_http;
mod truncation;
mod utf8_names;
mod values;
mod wakers;
