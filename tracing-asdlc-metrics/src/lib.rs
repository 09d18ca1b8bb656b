//! Metrics from the [`tracing`] spans and events that you already have: a [`tracing_subscriber`] layer that records counters,
//! duration histograms and gauges into an OpenTelemetry [`Meter`]. Rules select the spans and events. The number of series is
//! bounded.
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
//! A Prometheus exporter that reads this meter then shows:
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
//! A [`Rule`] selects spans or events by name, target and level, and names the metrics to record:
//!
//! | for a span | for an event |
//! |---|---|
//! | [a counter](Rule::with_counter) at its close, [another](Rule::with_opened_counter) at its creation | [a counter](Rule::with_counter) |
//! | [a duration](Rule::with_duration), until its close, until its last exit, or [busy](SpanDuration) | [a sum](Rule::with_sum), [a histogram](Rule::with_histogram) or [a gauge](Rule::with_gauge) of a field |
//! | [a gauge](Rule::with_in_flight) of the open spans | the [prefixed fields](Rule::prefixed_fields) of `tracing-opentelemetry` |
//!
//! A [`Label`] is a declared field with a list of values, or with a limited number of values. No other field becomes a label, so no
//! input creates more series than the rules allow.
//!
//! An [`Outcome`] is a label that says how a span ended. It comes from a [`metered`](Metered::metered) future, from the events of
//! `#[instrument(err, ret)]`, from a field, or from a panic. A metered future that is dropped before its end is `cancelled`. A span
//! that closes without any of these is `unknown`: for example the span of a future that is not metered and is dropped.
//!
//! # Names and units
//!
//! A metric may be named as OpenTelemetry names it, or as Prometheus shows it. These two rules record the same metrics:
//!
//! ```
//! use tracing_asdlc_metrics::Rule;
//!
//! let rule = Rule::span("checkout").with_counter("checkouts").with_duration("checkout_duration");
//! let rule = Rule::span("checkout").with_counter("checkouts_total").with_duration("checkout_duration_seconds");
//! ```
//!
//! In OpenTelemetry, the unit and `_total` are not a part of the name: the instruments are the counter `checkouts` and the histogram
//! `checkout_duration` with the unit `s`. Views and OTLP backends see these names. Every Prometheus exporter appends the suffixes
//! again: it serves `checkouts_total` and `checkout_duration_seconds`. So the layer takes these suffixes off the names in its rules:
//!
//! | at the end of the name of | is taken off | and sets the unit |
//! |---|---|---|
//! | a counter, a sum, a prefixed `monotonic_counter` | `_total` | |
//! | a duration | `_seconds`, `_milliseconds`, `_microseconds`, `_nanoseconds` | `s`, `ms`, `us`, `ns` |
//! | a sum, a histogram, a gauge, a prefixed field | `_days`, `_hours`, `_minutes`, or one of the above | `d`, `h`, `min` |
//! | | `_bytes`, `_kibibytes`, `_kilobytes` and so on | `By`, `KiBy`, `kBy` |
//! | | `_meters`, `_volts`, `_amperes`, `_joules`, `_watts`, `_grams`, `_celsius`, `_hertz`, `_percent` | `m`, `V`, `A`, `J`, `W`, `g`, `Cel`, `Hz`, `%` |
//! | | `_ratio`, but not of a sum | `1` |
//!
//! A name stays as it is if nothing valid would be left of it (`seconds`), and so does the name of a gauge of open spans. A counter of
//! spans or events has no unit: `wait_seconds_total` is the counter `wait_seconds`.
//!
//! A unit of [`with_unit`](Rule::with_unit) that is not the one at the end of a name is an error. Only for
//! [prefixed fields](Rule::prefixed_fields), whose names are not known when the layer is built, such a name stays as it is, with the
//! unit of the rule.
//!
//! If the names of two metrics differ only in these suffixes, such as the counter `jobs_total` and the gauge `jobs`, their
//! instruments have the same name. A Prometheus exporter serves both, because their suffixes differ. The SDK logs a warning, and
//! an OTLP backend may refuse one of them. Prefer names that differ in more, such as `jobs_in_flight`.
//!
//! # When something is recorded
//!
//! Metrics of a span are recorded when it is created or when it closes. It closes when its last handle is dropped (a `Span` and its
//! clones, on any thread) and its last child has closed. This happens once, independent of how often the span was entered, and
//! also when a panic unwinds through it. Labels are read when the span is created and whenever a field is recorded. The
//! last value before the close is used.
//!
//! Metrics of an event are recorded when it is emitted. Only the first values of a [prefixed field](Rule::prefixed_fields) are recorded
//! later, when its metric has been created.
//!
//! There is one case in which a span never closes: its last child is dropped while the thread's default subscriber is another one,
//! or none. `tracing` then asks the default subscriber to close the parent. This happens only with `with_default` and `set_default`,
//! not with a global subscriber. The close of such a span is not recorded. The span leaves its in-flight gauge when its subscriber is
//! dropped.
//!
//! # Exemplars
//!
//! An exemplar is one measurement, stored with a trace id and a span id. A histogram bucket keeps an exemplar of a span whose
//! duration is in this bucket. The meter decides whether exemplars are recorded: `asdlc-exporter` records them if it is built
//! `with_exemplars`. This layer has no setting for it. With any other meter, the layer looks for no trace.
//!
//! **The exemplars of a span's counter and duration name the span's own trace**,
//! also if the span closes on another thread or inside another
//! span. This needs the feature `tracing-opentelemetry`, and the layer of tracing-opentelemetry 0.34 in the same subscriber. Add that
//! layer after this one:
//!
//! ```
//! # #[cfg(feature = "tracing-opentelemetry")]
//! # fn build(meter: &opentelemetry::metrics::Meter) -> Result<(), tracing_asdlc_metrics::BuildError> {
//! use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
//! use tracing_subscriber::prelude::*;
//!
//! let metrics = SpanMetricsLayer::new(meter, [Rule::span("checkout").with_duration("checkout_duration_seconds")])?;
//! let traces = tracing_opentelemetry::layer().with_tracer(opentelemetry::global::tracer("shop"));
//! tracing_subscriber::registry().with(metrics).with(traces).init();
//! # Ok(()) }
//! ```
//!
//! | a sampled span | `.with(metrics).with(traces)` | `.with(traces).with(metrics)` |
//! |---|---|---|
//! | that was entered | has its exemplar | has its exemplar |
//! | that was never entered | has its exemplar | has none |
//! | of a layer built with `with_context_activation(false)` | has its exemplar | has none |
//!
//! If the layer does not know the trace of a span, the span has no exemplar. It never gets the trace of another span:
//!
//! - A span that is not sampled has none, because its trace is not stored. (With the exporter's filter `always_on`, it has an
//!   exemplar without ids.)
//! - A span that a filter hides from the layer of tracing-opentelemetry does not get the trace of its parent.
//! - Without the feature, with another version of tracing-opentelemetry, with its layer inside `reload::Layer`, or if another
//!   crate makes the traces, the layer cannot find the trace of a span.
//! - The counter of [`with_opened_counter`](Rule::with_opened_counter) has no exemplars: a span has no trace yet when it is
//!   created.
//!
//! **An event belongs to the current OpenTelemetry span**, like every measurement that the program makes. The layer of
//! tracing-opentelemetry makes a span current while it is entered. This needs no feature. An event with an explicit parent belongs to
//! that parent if three conditions hold: the feature `tracing-opentelemetry` is on, a rule measures the parent, and the parent was
//! entered and exited before. Otherwise the event belongs to no span. The first values of a
//! [prefixed field](Rule::prefixed_fields) are kept until its metric exists. These values become no exemplars.
//!
//! The traces are the same as without exemplars: the layer does not start an OpenTelemetry span earlier than the layer of
//! tracing-opentelemetry does, so its parent can still be set. (There is one exception. With `with_context_activation(false)`, one
//! span of the process is started at its exit, if a program attaches a context in the span, and detaches it after that exit.)
//!
//! # With other layers
//!
//! - The layer hides nothing from other layers, and needs no `RUST_LOG`. What it measures depends on the rules. It does not depend
//!   on the filters of other layers (`with_filter`), or on the sampling of traces.
//! - A *global* filter (an `EnvFilter` or `LevelFilter` that is a layer of its own) takes precedence over the rules. The spans that it
//!   refuses do not exist, so they are not measured. If it refuses the event of `#[instrument(err)]`, the span does not count as
//!   failed. Add the filter to one layer instead: `fmt::layer().with_filter(EnvFilter::from_default_env())`. [`Coverage::hidden`]
//!   lists the spans and events that a rule matches and a global filter refuses, with the exceptions named there.
//! - The layer can be added to `tracing_subscriber::fmt().finish()`, whose level is a global filter. Such a subscriber enables each
//!   span and event of its level, even if no rule matches it.
//! - Records of the `log` crate that `tracing-log` passes on are events with the record's own target and level.
//! - Spans and events that neither a rule nor another layer wants stay disabled. They cost what a disabled span costs, about a
//!   nanosecond. `LevelFilter::current()` rises to the level of the rules, and no further; see [`Rule::with_max_level`]. A rule
//!   with an outcome reads the events of `#[instrument(err)]` and `#[instrument(ret)]` at every level, so it raises the level to
//!   `TRACE`; see [`Outcome::with_max_level`] for the cost.
//! - The layer never measures the spans and events of the OpenTelemetry SDK itself (targets `opentelemetry…`). It also does not
//!   measure a span that is opened or closed, or an event that is emitted, while the layer records on the same thread.
//! - The layer works inside `Option`, `Box`, `Vec` and `with_filter`. Like every layer with a filter, it has two limits. First,
//!   inside `reload::Layer`, the registry does not know which layers are added later. Second, if `and_then` joins two such
//!   layers on a registry without other layers, `tracing-subscriber` asks only the outer layer which levels to enable. (`with`
//!   asks both layers.)
//!
//! # Cost
//!
//! The rules are compared with a callsite once. After that, a measured span costs two readings of the clock (none without a
//! histogram), one look-up for each label and each rule, and the recordings. It does not allocate, it takes no lock of this crate,
//! and it compares no strings except the values of labels.
//!
//! At the first use of a callsite, a label value or a series, the layer allocates and takes a lock. It also allocates when the open
//! spans need a further table. An open span takes 72 bytes in a table. The first table has 72 KiB, and tables are never released. The
//! memory for series grows up to their limit.
//!
//! Recording does not wait for a collection of the SDK or its callbacks, with one exception: the first measurement of a series waits
//! while the SDK copies the series of that instrument. [`SpanMetricsLayer::new`] creates instruments, so it waits for the callbacks
//! of a running collection.
//!
//! [Exemplars](#exemplars) cost nothing if the meter records none. If it does, an open span takes 32 bytes more, in tables that are
//! allocated when the first of their spans is sampled. A measured span allocates nothing for its exemplar, with one exception:
//! tracing-opentelemetry allocates twice for a span that is never entered.
//!
//! # Features
//!
//! - `bound` (default): records through the bound instruments of `opentelemetry_sdk` (its feature
//!   `experimental_metrics_bound_instruments`). Without it, the same metrics are recorded through plain instruments. Disable it for
//!   a `MeterProvider` other than the SDK's: the API allows a provider to silently drop what is recorded through bound instruments.
//! - `serde`: rules from configuration, as `RuleConfig`.
//! - `tracing-opentelemetry`: finds the trace of a span, for [exemplars](#exemplars). For tracing-opentelemetry 0.34.
//!
//! [`Meter`]: opentelemetry::metrics::Meter
//! [`tracing`]: https://docs.rs/tracing
//! [`tracing_subscriber`]: https://docs.rs/tracing-subscriber

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

// `layer` handles a span or event, `plan` says what to do with it, and `record` records it into the SDK. `rule` has the rules
// that the user wrote. A folder uses only the folders that follow it in this order: layer, plan, record, rule.
mod coverage;
mod error;
mod layer;
mod plan;
mod record;
mod rule;

pub use coverage::Coverage;
pub use error::BuildError;
pub use layer::layer::SpanMetricsLayer;
pub use layer::meter_source::{
    FromMeter, FromProvider, FromSharedProvider, MeterSource, SCHEMA_URL,
};
pub use layer::metered::{Metered, MeteredFuture, MeteredOutput};
#[cfg(feature = "serde")]
pub use rule::config::RuleConfig;
pub use rule::label::Label;
pub use rule::outcome::Outcome;
pub use rule::rule::Rule;
pub use rule::span_duration::SpanDuration;
