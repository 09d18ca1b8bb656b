//! Metrics from the [`tracing`] spans that you already have: a [`tracing_subscriber`] layer which turns spans, by name, into
//! counters and duration histograms of an OpenTelemetry [`Meter`].
//!
//! ```
//! use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
//! use tracing_subscriber::prelude::*;
//! # use opentelemetry::metrics::Meter;
//!
//! #[tracing::instrument]
//! fn process(task: u32) { /* … */ }
//!
//! # fn work(meter: Meter) -> Result<(), tracing_asdlc_metrics::BuildError> {
//! let rule = Rule::span("process").with_counter("tasks_total").with_duration("task_duration_seconds");
//! let subscriber = tracing_subscriber::registry().with(SpanMetricsLayer::new(&meter, [rule])?);
//! tracing::subscriber::with_default(subscriber, || {
//!     for task in 0..3 {
//!         process(task);
//!     }
//! });
//! # Ok(()) }
//! # work(opentelemetry::global::meter("docs")).unwrap();
//! ```
//!
//! A Prometheus exporter behind that meter then shows:
//!
//! ```text
//! # TYPE tasks_total counter
//! tasks_total 3
//! # TYPE task_duration_seconds histogram
//! task_duration_seconds_bucket{le="0.005"} 3
//! …
//! task_duration_seconds_bucket{le="+Inf"} 3
//! task_duration_seconds_sum 0.000021
//! task_duration_seconds_count 3
//! ```
//!
//! # When something is recorded
//!
//! Everything is recorded at one moment: when the span closes. That is when its last handle is dropped (a `Span` and its
//! clones, on whatever thread they are) and its last child has closed, and it comes once, however often the span was
//! entered, and also when a panic unwinds through it. See [`Rule::with_counter`] and [`Rule::with_duration`].
//!
//! # Beside other layers
//!
//! - Nothing is hidden from another layer, and no `RUST_LOG` is needed: what this layer measures depends on the rules, not
//!   on the filters that other layers have for themselves (`with_filter`).
//! - A *global* filter (an `EnvFilter` or `LevelFilter` added as a layer of its own) wins: the spans that it refuses do not
//!   exist, so they are not measured.
//! - Alone, or beside layers that do not want them, spans that no rule matches stay disabled: they cost what a disabled span
//!   costs, about a nanosecond. `LevelFilter::current()` rises to the level of the rules, no further; see
//!   [`Rule::with_max_level`].
//! - Spans of the OpenTelemetry SDK itself (targets `opentelemetry…`) are never measured, nor is a span that is opened
//!   or closed while this layer is recording on the same thread.
//! - It works inside `Option`, `Box`, `Vec` and `with_filter`. Two limits of every layer with a filter are also its own:
//!   inside `reload::Layer` the registry does not know what is put there later; and where two such layers are joined by
//!   `and_then` on a bare registry, `tracing-subscriber` asks the outer one alone which levels to enable (`with` asks both).
//!
//! # Cost
//!
//! The rules are compared with a callsite once. From then on a measured span costs two clock readings (none without a
//! histogram) and the recordings: no allocation, no lock of this crate, no string compared. Memory grows with the most
//! measured spans ever open at once: tables of 24 bytes a span, the first of 48 KiB.
//!
//! # Features
//!
//! - `bound` (default): record through bound instruments (`opentelemetry_sdk`'s `experimental_metrics_bound_instruments`).
//!   Without it the same is recorded through plain instruments, with any `MeterProvider`.
//!
//! [`Meter`]: opentelemetry::metrics::Meter
//! [`tracing`]: https://docs.rs/tracing
//! [`tracing_subscriber`]: https://docs.rs/tracing-subscriber

mod callsite;
mod error;
mod instruments;
mod layer;
mod plan;
mod recording;
mod rule;
mod span;

#[cfg(feature = "bound")]
mod bound;
#[cfg(not(feature = "bound"))]
mod unbound;

pub use error::BuildError;
pub use layer::SpanMetricsLayer;
pub use rule::Rule;
