//! The workers example as processes: HTTP, signals, and a real Redis that fails.

mod end_to_end;
mod events;
mod faults;
mod metrics;
mod pool;
mod program;
