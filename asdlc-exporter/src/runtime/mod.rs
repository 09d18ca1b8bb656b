//! Metrics of Tokio runtimes. The scheduling delay shows that all workers are blocked (feature `runtime`).
//!
//! ```
//! use asdlc_exporter::{Exporter, runtime::RuntimeMetrics};
//! use tokio::runtime::Handle;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("shop").build()?;
//! RuntimeMetrics::new("main", Handle::current()).register(&exporter)?;
//!
//! let text = exporter.render()?;
//! assert!(text.contains(r#"runtime_workers{service="shop",runtime="main"} "#));
//! assert!(text.contains(r#"runtime_scheduling_delay_seconds{service="shop",runtime="main"} "#));
//! # Ok(()) }
//! ```
//!
//! | family | type | |
//! |---|---|---|
//! | `runtime_workers` | gauge | worker threads; 1 of a `current_thread` runtime |
//! | `runtime_parked_workers` | gauge | workers that wait for work |
//! | `runtime_alive_tasks` | gauge | tasks that were spawned and have not ended |
//! | `runtime_global_queue_depth` | gauge | tasks in the queue that all workers share |
//! | `runtime_busy_seconds_total` | counter | time in which workers were not parked, of all workers together; a worker adds its time when it parks |
//! | `runtime_parks_total` | counter | how often workers found no more work and parked |
//! | `runtime_scheduling_delay_seconds` | gauge | how long a new task waits until a worker runs it |
//!
//! Every series has the label `runtime`, with the name that the program gives to the runtime. The values are read at
//! each collection, from the [metrics of Tokio](tokio::runtime::RuntimeMetrics) that are stable. The number of
//! blocking threads, the lengths of local queues and histograms of poll times need `--cfg tokio_unstable`, so
//! they are not here. `runtime_parked_workers` and the counters are absent on platforms without 64-bit atomics.
//! If a runtime is shut down, its series end at the next scrape.
//!
//! OpenTelemetry has conventions for the runtimes of Go, Java, .NET, Node.js and Python, and none for Rust. So the
//! names are Prometheus names. `runtime_scheduling_delay_seconds` is similar to `go.schedule.duration` and to
//! `nodejs.eventloop.delay`.
//!
//! # The scheduling delay
//!
//! Each scrape spawns one task on each runtime, and measures how long the task waits for a worker. In a healthy
//! runtime, a task waits for microseconds. A scrape waits for the tasks of all runtimes together for at most the
//! [timeout](RuntimeMetrics::with_timeout), 100 ms by default. **If all workers are blocked**, the value is the time
//! that the task has waited so far. Later scrapes spawn no other task while this one waits. So the value grows until a
//! worker runs the task, and the alert needs only the current value:
//!
//! ```text
//! runtime_scheduling_delay_seconds > 1
//! ```
//!
//! If the task runs between two scrapes, the next scrape serves its whole delay. A `current_thread` runtime runs tasks
//! only within `block_on`: at other times it is shown as blocked.
//!
//! # Scrapes that do not need the runtime
//!
//! The exporter collects on threads of its own. But a server whose workers are all blocked accepts no connection:
//! the scrape fails, and `up` is 0. To see why, give the endpoint a runtime of its own, for example with the feature
//! `serve`:
//!
//! ```
//! # #[cfg(feature = "serve")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use asdlc_exporter::{Exporter, runtime::RuntimeMetrics, serve::Server};
//! use tokio::runtime::{Builder, Runtime};
//!
//! let work = Runtime::new()?;
//! let scrapes = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
//!
//! let exporter = Exporter::builder("shop").build()?;
//! RuntimeMetrics::new("work", work.handle().clone())
//!     .with_runtime("scrapes", scrapes.handle().clone())
//!     .register(&exporter)?;
//! let server = Server::builder()
//!     .with_address(([127, 0, 0, 1], 0).into())
//!     .with_route("/metrics", exporter.scrape_service());
//! let server = scrapes.block_on(server.start())?;
//! # drop(server);
//! # Ok(()) }
//! # #[cfg(not(feature = "serve"))]
//! # fn main() {}
//! ```

// runtime_metrics (what users build; the source that runs at a scrape) -> instruments -> probe (the task that measures the
// delay). error is that of runtime_metrics.

mod error;
mod instruments;
mod probe;
mod runtime_metrics;

pub use error::RuntimeSetupError;
pub use runtime_metrics::RuntimeMetrics;
