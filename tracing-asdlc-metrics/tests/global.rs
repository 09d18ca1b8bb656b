//! The layer in the *global* subscriber, which also gets the SDK's own events. The SDK emits them on any thread, and while it
//! holds its locks.

mod support;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    Counter, Histogram, HistogramBuilder, InstrumentBuilder, InstrumentProvider, Meter,
    SyncInstrument,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use support::{Metrics, both, series};
use tracing::{Level, Span, Subscriber, info_span};
use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;

// Trap 12. One test: a process has one global subscriber.
#[test]
fn with_the_sdks_debug_logs_on_nothing_recurses_or_deadlocks() {
    let metrics = Metrics::new();
    let chatty = Chatty::default();
    let rules = [
        Rule::span("job").with_counter("chatty_total").with_duration("chatty_seconds"),
        // The events of the SDK, and those that the instruments emit here, are not measured.
        Rule::events().with_max_level(Level::TRACE).with_counter("chatty_events_total"),
    ];
    let meter = Meter::new(Arc::new(chatty.clone()));
    let logged = SdkLog::default();
    tracing::subscriber::set_global_default(
        tracing_subscriber::registry()
            .with(metrics.layer([both("job"), Rule::span("held").with_in_flight("held")]))
            .with(SpanMetricsLayer::new(&meter, rules).unwrap())
            .with(logged.clone()),
    )
    .unwrap();

    *chatty.held.lock().unwrap() = Some(info_span!("held"));
    assert_eq!(metrics.values("held"), series([("", 1)]));

    let (done, finished) = mpsc::channel();
    let reader = metrics.clone();
    thread::spawn(move || {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| drop(info_span!("job"))));
            }
            for _ in 0..20 {
                // The SDK emits events while it collects, and while a layer creates its instruments.
                reader.count("closed");
                drop(reader.layer([both("job")]));
            }
        });
        let _ = done.send([reader.count("closed"), reader.count("open")]);
    });
    let counted =
        finished.recv_timeout(Duration::from_secs(60)).expect("neither a deadlock nor a panic");
    assert_eq!(counted, [4_000, 4_000], "spans that are opened while recording are not measured");
    assert_eq!(chatty.measured(), 8_000);
    // this span was closed while its thread was recording.
    assert!(chatty.held.lock().unwrap().is_none());
    assert_eq!(metrics.values("held"), series([("", 0)]));
    assert!(logged.events() > 0, "the SDK's logs were on");
}

/// Counts the SDK's events. It wants every level, so also the SDK's `DEBUG`.
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

/// A provider whose instruments open a span for each measurement. A rule matches that span.
#[derive(Clone, Default)]
struct Chatty {
    measured: Arc<AtomicU64>,
    /// Dropped by the first measurement.
    held: Arc<Mutex<Option<Span>>>,
}

impl Chatty {
    /// The measurements, without the 0 with which the layer creates each of the two counters.
    fn measured(&self) -> u64 {
        self.measured.load(Ordering::Relaxed) - 2
    }

    fn measure(&self) {
        self.measured.fetch_add(1, Ordering::Relaxed);
        drop(self.held.lock().map(|mut held| held.take()));
        info_span!("job").in_scope(|| {
            tracing::debug!(target: "opentelemetry_sdk", "measured");
            tracing::error!("measured");
        });
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
