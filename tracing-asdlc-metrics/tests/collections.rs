//! Events do not wait while the SDK collects.

mod support;

use opentelemetry::metrics::{AsyncInstrumentBuilder, InstrumentProvider, Meter, ObservableGauge};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use support::{LONG, Metrics, series, wait_until};
use tracing::info;
use tracing::subscriber::with_default;
use tracing_asdlc_metrics::{Coverage, Rule};
use tracing_subscriber::layer::SubscriberExt;

// F-21
#[test]
fn the_first_event_of_a_prefixed_metric_does_not_wait_for_a_collection() {
    let metrics = Metrics::new();
    let recording = Recording::new(&metrics);
    let collection = Collection::start(&metrics);
    recording.run("the first events", || {
        for value in 1..=100 {
            info!(monotonic_counter.orders = value, currency = "EUR");
            info!(counter.carts = -1, histogram.price = value, gauge.stock = value);
        }
        info!(monotonic_counter.orders = 1, currency = "USD");
    });
    assert_eq!(recording.coverage.pending().len(), 4);
    collection.end();
    recording.wait_for_pending();
    recording.run("later events", || {
        info!(monotonic_counter.orders = 1, currency = "EUR");
        info!(counter.carts = 1, histogram.price = 1.5, gauge.stock = 7);
    });
    assert_eq!(metrics.values("orders"), series([("currency=EUR", 5_051), ("currency=USD", 1)]));
    assert_eq!(metrics.values("carts"), series([("", -99)]));
    assert_eq!(metrics.values("price"), series([("", 101)]));
    assert!((metrics.sums("price")[""] - 5_051.5).abs() < 1e-6);
    assert_eq!(metrics.values("stock"), series([("", 7)]));
    let counts = metrics.read("price", support::bucket_counts);
    assert_eq!(counts, [1, 10, 90], "up to 1, up to 10, above");
}

// F-21, a neighbour: the event is emitted by the thread that collects.
#[test]
fn a_callback_may_emit_the_first_event_of_a_metric() {
    let metrics = Metrics::new();
    let recording = Recording::new(&metrics);
    let dispatch = recording.dispatch.clone();
    let meter = metrics.meter();
    let _gauge = meter
        .u64_observable_gauge("level")
        .with_callback(move |observer| {
            tracing::dispatcher::with_default(&dispatch, || info!(monotonic_counter.scrapes = 1));
            observer.observe(1, &[]);
        })
        .build();
    let (done, finished) = mpsc::channel();
    let collected = metrics.clone();
    thread::spawn(move || done.send(collected.has("level")));
    assert_eq!(finished.recv_timeout(LONG), Ok(true), "the collection ends");
    recording.wait_for_pending();
    assert!(metrics.count("scrapes") >= 1);
}

// F-21, a neighbour: many threads, several metrics, more label sets than the series limit.
#[test]
fn no_value_is_lost_and_memory_is_bounded_while_a_collection_lasts() {
    let metrics = Metrics::new();
    let rule = Rule::prefixed_fields().with_label("user").with_max_series(20);
    let recording = Recording::with(&metrics, rule);
    let collection = Collection::start(&metrics);
    let dispatch = &recording.dispatch;
    let events = |thread: u64| {
        tracing::dispatcher::with_default(dispatch, || {
            for user in 0..500_u64 {
                info!(monotonic_counter.requests = 1, user);
                info!(histogram.size = user % 7, gauge.last = user, user = thread);
            }
        });
    };
    // They record before and after the metrics are created. No value may be lost in between.
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || events(thread))).collect();
        collection.end();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    recording.wait_for_pending();
    assert_eq!(metrics.count("requests"), 2_000);
    assert_eq!(metrics.values("requests").len(), 20);
    assert_eq!(metrics.count("size"), 2_000);
    let last = [("user=0", 499), ("user=1", 499), ("user=2", 499), ("user=3", 499)];
    assert_eq!(metrics.values("last"), series(last));
}

// F-21, a neighbour: one event with many new metrics.
#[test]
fn the_first_event_of_20_metrics_does_not_wait_for_a_collection() {
    let metrics = Metrics::new();
    let recording = Recording::new(&metrics);
    let collection = Collection::start(&metrics);
    let start = Instant::now();
    recording.run("first events of 20 metrics", || {
        info!(
            gauge.a0 = 1,
            gauge.a1 = 1,
            gauge.a2 = 1,
            gauge.a3 = 1,
            gauge.a4 = 1,
            gauge.a5 = 1,
            gauge.a6 = 1,
            gauge.a7 = 1,
            gauge.a8 = 1,
            gauge.a9 = 1,
            gauge.b0 = 1,
            gauge.b1 = 1,
            gauge.b2 = 1,
            gauge.b3 = 1,
            gauge.b4 = 1,
            gauge.b5 = 1,
            gauge.b6 = 1,
            gauge.b7 = 1,
            gauge.b8 = 1,
            gauge.b9 = 1
        );
    });
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    collection.end();
    recording.wait_for_pending();
    assert_eq!(metrics.values("b9"), series([("", 1)]));
}

#[test]
fn a_meter_that_panics_while_it_creates_a_metric_affects_no_other_metric() {
    struct Panics;
    impl InstrumentProvider for Panics {
        fn f64_gauge(
            &self,
            _: opentelemetry::metrics::InstrumentBuilder<'_, opentelemetry::metrics::Gauge<f64>>,
        ) -> opentelemetry::metrics::Gauge<f64> {
            support::panic_now()
        }

        fn u64_observable_gauge(
            &self,
            _: AsyncInstrumentBuilder<'_, ObservableGauge<u64>, u64>,
        ) -> ObservableGauge<u64> {
            support::panic_now()
        }
    }
    let meter = Meter::new(Arc::new(Panics));
    let layer =
        tracing_asdlc_metrics::SpanMetricsLayer::new(&meter, [Rule::prefixed_fields()]).unwrap();
    let coverage = layer.coverage();
    with_default(tracing_subscriber::registry().with(layer), || {
        (0..3).for_each(|_| info!(gauge.load = 1, monotonic_counter.orders = 1));
    });
    wait_until("no metric is pending", || coverage.pending().is_empty());
    assert_eq!(coverage.refused(), ["\"load\" is not recorded: the meter panicked"]);
}

/// A subscriber with a rule for prefixed fields, and threads that record.
struct Recording {
    dispatch: tracing::Dispatch,
    coverage: Coverage,
}

impl Recording {
    fn new(metrics: &Metrics) -> Self {
        let rule = Rule::prefixed_fields().with_label("currency").with_boundaries([1.0, 10.0]);
        Self::with(metrics, rule)
    }

    fn with(metrics: &Metrics, rule: Rule) -> Self {
        let layer = metrics.layer([rule]);
        let coverage = layer.coverage();
        let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
        Self { dispatch, coverage }
    }

    /// Runs the code on a new thread, which must not wait for a collection.
    fn run(&self, what: &str, run: impl FnOnce() + Send + 'static) {
        let (done, finished) = mpsc::channel();
        let dispatch = self.dispatch.clone();
        thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, run);
            let _ = done.send(());
        });
        finished.recv_timeout(LONG).unwrap_or_else(|_| panic!("{what} wait for the collection"));
    }

    fn wait_for_pending(&self) {
        wait_until("no metric is pending", || self.coverage.pending().is_empty());
    }
}

/// A collection that lasts until [`end`](Self::end), because a callback waits.
struct Collection {
    end: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Collection {
    fn start(metrics: &Metrics) -> Self {
        let (end, ended) = mpsc::channel();
        let (started, has_started) = mpsc::channel();
        let waits = Mutex::new(Some((started, ended)));
        let meter = metrics.meter();
        let slow = meter.u64_observable_gauge("slow").with_callback(move |observer| {
            if let Some((started, ended)) = waits.lock().expect("no panic").take() {
                let _ = (started.send(()), ended.recv());
            }
            observer.observe(1, &[]);
        });
        let _slow = slow.build();
        let collected = metrics.clone();
        let thread = thread::spawn(move || assert!(collected.has("slow")));
        has_started.recv_timeout(LONG).expect("the collection starts");
        Self { end, thread }
    }

    fn end(self) {
        drop(self.end);
        self.thread.join().expect("the collection ends");
    }
}
