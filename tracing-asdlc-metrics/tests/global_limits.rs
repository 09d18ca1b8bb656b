//! The layer in the *global* subscriber while many threads create new series, past every limit. When the SDK's own limit is
//! reached, the SDK emits events while it holds its locks. A process has one global subscriber, so there is one test.

mod support;

use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider, Stream,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use support::Metrics;
use tracing::{Event, Level, Subscriber, info, info_span};
use tracing_asdlc_metrics::{Label, Outcome, Rule};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

// Trap 12
#[test]
fn past_the_cardinality_limit_nothing_recurses_or_deadlocks() {
    // With this view the SDK's limit is reached before the layer's limit.
    let few = |_: &_| Stream::builder().with_cardinality_limit(20).build().ok();
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(exporter.clone()).build())
        .with_view(few)
        .build();
    let metrics = Metrics::of(provider, exporter);
    let by_value = |rule: Rule| rule.with_label(Label::field("value").with_max_values(1_000));
    let rules = [
        by_value(Rule::span("job").with_counter("jobs_total").with_duration("job_seconds"))
            .with_in_flight("open_jobs")
            .with_outcome(Outcome::label("outcome")),
        by_value(Rule::events().with_max_level(Level::TRACE).with_counter("events_total")),
        by_value(Rule::prefixed_fields()),
    ];
    let reacts = Reacts::default();
    tracing::subscriber::set_global_default(metrics.subscriber(rules).with(reacts.clone()))
        .unwrap();

    let (done, finished) = mpsc::channel();
    let counted = metrics.clone();
    thread::spawn(move || {
        thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for value in 0..2_000 {
                        let _job = info_span!("job", value = value * 4 + thread).entered();
                        info!(value, gauge.load = value);
                    }
                });
            }
            for _ in 0..20 {
                counted.has("jobs");
            }
        });
        let _ = done.send(counted.count("jobs"));
    });
    let jobs = finished.recv_timeout(Duration::from_secs(60)).expect("neither deadlock nor panic");
    assert_eq!(jobs, 8_000);
    assert_eq!(metrics.count("job"), 8_000);
    assert!(metrics.values("open_jobs").values().sum::<f64>() == 0.0);
    assert!(metrics.values("jobs").contains_key("otel.metric.overflow=true"), "the SDK's limit");
    assert!(reacts.0.load(Ordering::Relaxed) > 0, "the SDK's logs were on");
    assert!(metrics.count("events") >= 8_000);
}

/// Opens a matched span and emits a matched event for each event of the SDK, as a layer that reports errors may do.
#[derive(Clone, Default)]
struct Reacts(Arc<AtomicU64>);

impl<S: Subscriber> Layer<S> for Reacts {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("opentelemetry") {
            let value = self.0.fetch_add(1, Ordering::Relaxed);
            thread_local!(static REACTING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
            if !REACTING.replace(true) {
                info_span!("reaction", value).in_scope(|| info!(value, gauge.reactions = value));
                REACTING.set(false);
            }
        }
    }
}
