//! The layer in the *global* subscriber, which also gets what the SDK itself logs, from any thread and with its locks held.

mod support;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    Counter, Histogram, HistogramBuilder, InstrumentBuilder, InstrumentProvider, Meter,
    SyncInstrument,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use support::{Metrics, both};
use tracing::{Subscriber, info_span};
use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;

// Trap 12. One test: a process has one global subscriber.
#[test]
fn with_the_sdks_debug_logs_on_nothing_recurses_or_deadlocks() {
    let metrics = Metrics::new();
    let chatty = Chatty::default();
    let rule = Rule::span("job").with_counter("chatty_total").with_duration("chatty_seconds");
    let meter = Meter::new(Arc::new(chatty.clone()));
    let logged = SdkLog::default();
    tracing::subscriber::set_global_default(
        tracing_subscriber::registry()
            .with(metrics.layer([both("job")]))
            .with(SpanMetricsLayer::new(&meter, [rule]).unwrap())
            .with(logged.clone()),
    )
    .unwrap();

    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| drop(info_span!("job"))));
            }
            for _ in 0..20 {
                // The SDK logs as it collects, and as a layer creates its instruments.
                metrics.count("closed_total");
                drop(metrics.layer([both("job")]));
            }
        });
        let _ = done.send([metrics.count("closed_total"), metrics.count("open_seconds")]);
    });
    let counted =
        finished.recv_timeout(Duration::from_secs(60)).expect("neither a deadlock nor a panic");
    assert_eq!(counted, [4_000, 4_000], "what recording opens is not measured");
    assert_eq!(chatty.measured(), 8_000);
    assert!(logged.events() > 0, "the SDK's logs were on");
}

/// Every level of events, so the SDK's `DEBUG` too.
#[derive(Clone, Default)]
struct SdkLog(Arc<AtomicU64>);

impl SdkLog {
    fn events(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S: Subscriber> Layer<S> for SdkLog {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("opentelemetry") {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A provider whose instruments open a span for each measurement, one that a rule matches.
#[derive(Clone, Default)]
struct Chatty(Arc<AtomicU64>);

impl Chatty {
    /// Without the 0 that puts the counter there.
    fn measured(&self) -> u64 {
        self.0.load(Ordering::Relaxed) - 1
    }

    fn measure(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        info_span!("job").in_scope(|| tracing::debug!(target: "opentelemetry_sdk", "measured"));
    }
}

impl InstrumentProvider for Chatty {
    fn u64_counter(&self, _: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        Counter::new(Arc::new(self.clone()))
    }

    fn f64_histogram(&self, _: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        Histogram::new(Arc::new(self.clone()))
    }
}

impl<T> SyncInstrument<T> for Chatty {
    fn measure(&self, _: T, _: &[KeyValue]) {
        Self::measure(self);
    }

    #[cfg(feature = "bound")]
    fn bind(
        &self,
        _: &[KeyValue],
    ) -> Box<dyn opentelemetry::metrics::BoundSyncInstrument<T> + Send + Sync> {
        Box::new(self.clone())
    }
}

#[cfg(feature = "bound")]
impl<T> opentelemetry::metrics::BoundSyncInstrument<T> for Chatty {
    fn measure(&self, _: T) {
        Self::measure(self);
    }
}
