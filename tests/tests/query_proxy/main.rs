//! The query proxy in front of a real `VictoriaMetrics`, and of servers that break every rule.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests report by panicking, too")]

mod cancelled;
mod documented;
mod escapes;
mod failing;
mod limits;
mod methods;
mod proxy;
mod real;
mod schema;
mod shared;
mod tls;
mod upstream;
