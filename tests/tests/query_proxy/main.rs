//! The query proxy in front of a real `VictoriaMetrics`, and of servers that misbehave.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic too")]

mod cancelled;
mod deadlines;
mod documented;
mod escapes;
mod failing;
mod limits;
mod logs;
mod methods;
mod partial;
mod proxy;
mod real;
mod reasons;
mod retried;
mod schema;
mod settings;
mod shared;
mod tls;
mod upstream;
mod wakers;
