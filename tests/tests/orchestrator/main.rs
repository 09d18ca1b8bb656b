//! The orchestrator example as a process: HTTP, signals, its dashboard, and the programs that scrape it.

mod artifacts;
mod configuration;
mod dashboard;
mod http_metrics;
mod scrape;
mod scrapers;
mod shutdown;
mod spans;
mod traces;
mod traffic;
