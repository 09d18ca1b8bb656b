//! The orchestrator as its users meet it: a process, HTTP, signals, and the programs that scrape it.

mod configuration;
mod dashboard;
mod http_metrics;
mod scrape;
mod scrapers;
mod shutdown;
mod spans;
mod traffic;
