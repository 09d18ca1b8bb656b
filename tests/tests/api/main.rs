//! The API service as its users meet it: a process, HTTP, signals, real databases and caches that die under it.

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
