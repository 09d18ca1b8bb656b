//! The API example as a process: HTTP, signals, and real databases and caches that fail.

mod configuration;
mod events;
mod harness;
mod load;
mod policy;
mod readiness;
mod requests;
mod restarts;
mod scrape;
mod shutdown;
