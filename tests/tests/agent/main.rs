//! The agent example as a process: with peers, a file, a Redis, and a listener for its metrics.

mod configuration;
mod harness;
mod messages;
mod overhead;
mod peers;
mod process;
mod redis;
mod shutdown;
mod storage;
