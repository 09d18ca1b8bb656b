//! Metrics from the [`tracing`] spans and events that you already have: a [`tracing_subscriber`] layer that turns them, by rules,
//! into counters, duration histograms and gauges of an OpenTelemetry [`Meter`], with bounded labels.
//!
//! ```standalone_crate
//! use tracing::info_span;
//! use tracing_asdlc_metrics::{Metered, Outcome, Rule, SpanMetricsLayer};
//! use tracing_subscriber::prelude::*;
//! # use opentelemetry::metrics::Meter;
//! # async fn process(event: u32) -> Result<(), u32> { if event % 3 == 0 { Err(event) } else { Ok(()) } }
//!
//! # async fn work(meter: Meter) -> Result<(), tracing_asdlc_metrics::BuildError> {
//! let rule = Rule::span("event")
//!     .with_in_flight("active_tasks")
//!     .with_counter("events_processed_total")
//!     .with_outcome(
//!         Outcome::label("status")
//!             .with_cancelled("failed")
//!             .with_panicked("failed")
//!             .with_unknown("failed"),
//!     );
//! tracing_subscriber::registry().with(SpanMetricsLayer::new(&meter, [rule])?).init();
//!
//! for event in 1..=7 {
//!     let _ = process(event).metered(info_span!("event")).await;
//! }
//! # Ok(()) }
//! # let done = std::pin::pin!(work(opentelemetry::global::meter("docs")));
//! # let done = done.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
//! # assert_eq!(done, std::task::Poll::Ready(Ok(())));
//! ```
//!
//! A Prometheus exporter behind that meter then shows:
//!
//! ```text
//! # TYPE active_tasks gauge
//! active_tasks 0
//! # TYPE events_processed_total counter
//! events_processed_total{status="failed"} 2
//! events_processed_total{status="success"} 5
//! ```
//!
//! # Rules
//!
//! A [`Rule`] says which spans or events, by name, target and level, and the metrics that they give:
//!
//! | of a span | of an event |
//! |---|---|
//! | [a counter](Rule::with_counter) at its close, [another](Rule::with_opened_counter) at its creation | [a counter](Rule::with_counter) |
//! | [a duration](Rule::with_duration) by one of three [clocks](Clock) | [a sum](Rule::with_sum), [a histogram](Rule::with_histogram) or [a gauge](Rule::with_gauge) of a field |
//! | [a gauge](Rule::with_in_flight) of those that are open | the [prefixed fields](Rule::prefixed_fields) of `tracing-opentelemetry` |
//!
//! A [`Label`] is a declared field with a list of values, or with its first values; never anything else, so that no input
//! makes more series than the rules allow.
//!
//! An [`Outcome`] is a label that says how a span ended. It comes from the end of a [`metered`](Metered::metered) future, the
//! events of `#[instrument(err, ret)]`, a field, or a panic. A span that closes without any of these is counted as `unknown`.
//!
//! # When something is recorded
//!
//! What a span gives is recorded at its creation or at its close. It closes when its last handle is dropped (a `Span` and
//! its clones, on whatever thread they are) and its last child has closed, and that comes once, however often the span was
//! entered, and also when a panic unwinds through it. Labels are read as the span is created, and whenever a field is recorded: the
//! last value before the close wins.
//!
//! A span whose last child is dropped while another subscriber (or none) is the thread's default never closes: `tracing` asks
//! that one to close it. This happens only beside `with_default` and `set_default`, not with a global subscriber. Such a span
//! is not counted at all; it leaves its in-flight gauge when its subscriber is dropped.
//!
//! # Beside other layers
//!
//! - Nothing is hidden from another layer, and no `RUST_LOG` is needed: what this layer measures depends on the rules, not
//!   on the filters that other layers have for themselves (`with_filter`), nor on the sampling of traces.
//! - A *global* filter (an `EnvFilter` or `LevelFilter` added as a layer of its own) wins: the spans that it refuses do not
//!   exist, so they are not measured. If it refuses the event of `#[instrument(err)]`, the span is not counted as failed. Give the
//!   filter to the layer that it is for: `fmt::layer().with_filter(EnvFilter::from_default_env())`. [`Coverage::hidden`] lists
//!   the spans and events that a rule matches and a global filter refuses, with the exceptions named there.
//! - It can be added to `tracing_subscriber::fmt().finish()`, whose level is a global filter. Such a subscriber enables every span and
//!   event of its level, whether a rule matches or not.
//! - Records of the `log` crate, passed on by `tracing-log`, are events, with the record's own target and level.
//! - Alone, or beside layers that do not want them, spans and events that no rule matches stay disabled: they cost what a
//!   disabled span costs, about a nanosecond. `LevelFilter::current()` rises to the level of the rules, no further; see
//!   [`Rule::with_max_level`]. A rule with an outcome reads the events of `#[instrument(err)]` and `#[instrument(ret)]` at every
//!   level, so that it rises to `TRACE`; see [`Outcome::with_max_level`] for what that costs.
//! - Spans and events of the OpenTelemetry SDK itself (targets `opentelemetry…`) are never measured, nor is a span that is
//!   opened or closed, or an event, while this layer is recording on the same thread.
//! - It works inside `Option`, `Box`, `Vec` and `with_filter`. Two limits of every layer with a filter are also its own:
//!   inside `reload::Layer` the registry does not know what is put there later; and where two such layers are joined by
//!   `and_then` on a bare registry, `tracing-subscriber` asks the outer one alone which levels to enable (`with` asks both).
//!
//! # Cost
//!
//! The rules are compared with a callsite once. From then on a measured span costs two clock readings (none without a
//! histogram), a look-up for each label and each rule, and the recordings: no allocation, no lock of this crate, no string
//! compared but the labels' values with those that they have had. Memory grows with the most measured spans ever open at
//! once: tables of 72 bytes a span, the first of 72 KiB; and with the series, up to their cap.
//!
//! Measurements do not wait for a collection of the SDK or its callbacks, with one exception: the first measurement of a series waits
//! while the SDK copies the series of that instrument. [`SpanMetricsLayer::new`] creates instruments, so it waits for the callbacks
//! of a running collection.
//!
//! # Features
//!
//! - `bound` (default): record through bound instruments (`opentelemetry_sdk`'s `experimental_metrics_bound_instruments`).
//!   Without it the same is recorded through plain instruments. Turn it off for a `MeterProvider` that is not the SDK's: the
//!   API lets those drop what is recorded through a bound instrument, without a word.
//! - `serde`: rules from configuration, as `RuleConfig`.
//!
//! [`Meter`]: opentelemetry::metrics::Meter
//! [`tracing`]: https://docs.rs/tracing
//! [`tracing_subscriber`]: https://docs.rs/tracing-subscriber

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod coverage;
mod error;
mod layer;
mod plan;
mod record;
mod rule;

pub use coverage::Coverage;
pub use error::BuildError;
pub use layer::layer::SpanMetricsLayer;
pub use layer::metered::{Metered, MeteredFuture, MeteredOutput};
#[cfg(feature = "serde")]
pub use rule::config::RuleConfig;
pub use rule::label::Label;
pub use rule::outcome::Outcome;
pub use rule::rule::Rule;
pub use rule::span_duration::SpanDuration;
