//! What is recorded for a span, and when.

mod support;

use opentelemetry_sdk::metrics::data::{AggregatedMetrics, HistogramDataPoint, MetricData};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};
use support::{Metrics, both};
use tracing::Level;
use tracing::field::{Field, Value};
use tracing::span::Attributes;
use tracing::subscriber::with_default;
use tracing::{debug_span, error_span, info_span};
use tracing_asdlc_metrics::Rule;
use tracing_core::callsite::DefaultCallsite;
use tracing_core::metadata::Kind;
use tracing_subscriber::Registry;
use tracing_subscriber::prelude::*;

// N-02, W-03
#[test]
fn a_span_is_counted_once_when_it_closes() {
    let metrics = Metrics::new();
    with_default(subscriber(&metrics, [both("job")]), || {
        assert_eq!(metrics.count("closed"), 0, "it exists from the start");
        let span = info_span!("job");
        span.in_scope(|| ());
        assert_eq!(metrics.count("closed"), 0, "still open");
        drop(span);
        assert_eq!(metrics.count("closed"), 1);
        assert_eq!(metrics.count("open"), 1);
    });
}

// N-02
#[test]
fn the_duration_is_the_time_from_creation_to_close_in_seconds() {
    let metrics = Metrics::new();
    with_default(subscriber(&metrics, [both("job")]), || {
        let around = Instant::now();
        let span = info_span!("job");
        // Never entered: the duration is the time in which the span is open.
        let within = spin(Duration::from_millis(20));
        drop(span);
        let around = around.elapsed();
        let sum = histogram(&metrics, "open", HistogramDataPoint::sum);
        assert!(
            (within.as_secs_f64()..=around.as_secs_f64()).contains(&sum),
            "{sum} s, but between {within:?} and {around:?}"
        );
        let buckets = histogram(&metrics, "open", |point| {
            let counts: Vec<_> = point.bucket_counts().collect();
            let bounds: Vec<_> = point.bounds().collect();
            let bucket = bounds.partition_point(|bound| *bound < point.sum());
            assert_eq!(counts[bucket], 1, "{bounds:?} {counts:?}");
            bounds
        });
        assert_eq!(buckets, [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
    });
}

#[test]
fn boundaries_unit_and_description_reach_the_instrument() {
    let metrics = Metrics::new();
    let rule = both("job").with_boundaries([0.5, 1.0]);
    with_default(subscriber(&metrics, [rule]), || drop(info_span!("job")));
    let bounds = histogram(&metrics, "open", |point| point.bounds().collect::<Vec<_>>());
    assert_eq!(bounds, [0.5, 1.0]);
    let described =
        |name| metrics.read(name, |metric| format!("{}|{}", metric.unit(), metric.description()));
    assert_eq!(described("closed"), "|Spans that closed: job.");
    assert_eq!(described("open"), "s|Time from creation to close of spans: job.");
}

#[test]
fn nested_spans_are_counted_one_by_one() {
    let metrics = Metrics::new();
    let rules = [
        both("job"),
        Rule::span("step").with_counter("steps_total"),
        Rule::span("step").with_duration("step_seconds"),
    ];
    with_default(subscriber(&metrics, rules), || {
        for _ in 0..3 {
            let _job = info_span!("job").entered();
            for _ in 0..4 {
                let _unmatched = info_span!("other").entered();
                let _step = info_span!("step").entered();
                let _inner = info_span!("step").entered();
            }
        }
    });
    assert_eq!(metrics.count("closed"), 3);
    assert_eq!(metrics.count("steps"), 24);
    assert_eq!(metrics.count("step"), 24, "both rules match one span");
}

#[test]
fn a_span_entered_many_times_is_counted_once() {
    let metrics = Metrics::new();
    with_default(subscriber(&metrics, [both("job")]), || {
        let span = info_span!("job");
        for _ in 0..10 {
            span.in_scope(|| span.in_scope(|| ()));
        }
        drop(span);
    });
    assert_eq!(metrics.count("closed"), 1);
    assert_eq!(metrics.count("open"), 1);
}

// Trap 3
#[test]
fn a_span_cloned_to_many_threads_closes_once() {
    let metrics = Metrics::new();
    with_default(subscriber(&metrics, [both("job")]), || {
        let within = Instant::now();
        let span = info_span!("job");
        thread::scope(|scope| {
            for _ in 0..8 {
                let span = span.clone();
                scope.spawn(move || (0..100).for_each(|_| span.in_scope(|| drop(span.clone()))));
            }
        });
        assert_eq!(metrics.count("closed"), 0, "one handle is left");
        drop(span);
        let within = within.elapsed().as_secs_f64();
        assert_eq!(metrics.count("closed"), 1);
        let sum = histogram(&metrics, "open", HistogramDataPoint::sum);
        assert!(sum <= within, "{sum} s of {within} s: entered on many threads");
    });
}

// Trap 4
#[test]
fn a_parent_closes_with_its_last_child() {
    let metrics = Metrics::new();
    let wants_all = tracing_subscriber::layer::Identity::new();
    with_default(subscriber(&metrics, [both("job")]).with(wants_all), || {
        let parent = info_span!("job");
        let child = info_span!(parent: &parent, "detached");
        drop(parent);
        assert_eq!(metrics.count("closed"), 0);
        drop(child);
        assert_eq!(metrics.count("closed"), 1);
    });
}

#[test]
fn a_span_through_which_a_panic_unwinds_is_counted() {
    let metrics = Metrics::new();
    with_default(subscriber(&metrics, [both("job")]), || {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _job = info_span!("job").entered();
            std::panic::resume_unwind(Box::new("not a bug"));
        }));
        assert!(result.is_err());
        drop(info_span!("job"));
    });
    assert_eq!(metrics.count("closed"), 2);
}

#[test]
fn spans_of_many_names_share_one_metric() {
    let metrics = Metrics::new();
    let rules = ["get", "put"].map(|span| Rule::span(span).with_counter("operations_total"));
    with_default(subscriber(&metrics, rules), || {
        drop(info_span!("get"));
        drop(info_span!("put"));
        drop(info_span!("delete"));
    });
    assert_eq!(metrics.count("operations"), 2);
    let description = metrics.read("operations", |metric| metric.description().to_owned());
    assert_eq!(description, "Spans that closed: get, put.");
}

#[test]
fn a_rule_matches_up_to_its_level_also_if_more_is_enabled() {
    let metrics = Metrics::new();
    let rules = [
        Rule::span("job").with_counter("default_total"),
        Rule::span("job").with_counter("debug_total").with_max_level(Level::DEBUG),
    ];
    // Another layer has every level enabled.
    let subscriber = subscriber(&metrics, rules).with(tracing_subscriber::layer::Identity::new());
    with_default(subscriber, || {
        drop(error_span!("job"));
        drop(info_span!("job"));
        drop(debug_span!("job"));
        drop(tracing::trace_span!("job"));
    });
    assert_eq!(metrics.count("default"), 2);
    assert_eq!(metrics.count("debug"), 3);
}

#[test]
fn spans_of_opentelemetry_itself_are_not_measured() {
    let metrics = Metrics::new();
    with_default(subscriber(&metrics, [both("job")]), || {
        drop(info_span!(target: "opentelemetry", "job"));
        drop(info_span!(target: "opentelemetry_sdk", "job"));
        drop(info_span!(target: "opentelemetry-otlp", "job"));
        drop(info_span!(target: "opentelemetry::metrics", "job"));
        drop(info_span!(target: "opentelemetrics", "job"));
    });
    assert_eq!(metrics.count("closed"), 1, "only the target with a similar name");
}

/// Each thread reuses its ids, and the ids of threads differ in a few bits only. No span may get the start of another one.
#[test]
fn spans_of_many_threads_do_not_mix() {
    let metrics = Metrics::new();
    let rules = [
        both("short"),
        Rule::span("long").with_counter("long_total").with_duration("long_duration_seconds"),
    ];
    let started = Instant::now();
    let dispatch = tracing::Dispatch::new(subscriber(&metrics, rules));
    let mut long_ones = Duration::ZERO;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let dispatch = dispatch.clone();
                scope.spawn(move || {
                    tracing::dispatcher::with_default(&dispatch, || {
                        let long = info_span!("long");
                        let since = Instant::now();
                        for _ in 0..100 {
                            let open: Vec<_> = (0..50).map(|_| info_span!("short")).collect();
                            drop(open);
                        }
                        let least = since.elapsed();
                        // Closed by another thread.
                        (long, least)
                    })
                })
            })
            .collect();
        for thread in threads {
            let (long, least) = thread.join().unwrap();
            long_ones += least;
            drop(long);
        }
    });
    let most = started.elapsed() * 8;
    assert_eq!(metrics.count("closed"), 8 * 100 * 50);
    assert_eq!(metrics.count("open"), 8 * 100 * 50);
    assert_eq!(metrics.count("long"), 8);
    let sum = histogram(&metrics, "long_duration", HistogramDataPoint::sum);
    assert!(
        (long_ones.as_secs_f64()..=most.as_secs_f64()).contains(&sum),
        "{sum} s, but between {long_ones:?} and {most:?}"
    );
}

#[test]
fn many_spans_open_at_once_are_all_counted() {
    let metrics = Metrics::new();
    with_default(subscriber(&metrics, [both("job")]), || {
        let open: Vec<_> = (0..20_000).map(|_| info_span!("job")).collect();
        assert_eq!(metrics.count("closed"), 0);
        drop(open);
    });
    assert_eq!(metrics.count("closed"), 20_000);
    assert_eq!(metrics.count("open"), 20_000);
}

/// A thread may create a span while another thread is still registering its callsite.
#[test]
fn a_span_whose_callsite_was_never_registered_is_counted() {
    static CALLSITE: DefaultCallsite = DefaultCallsite::new(&METADATA);
    static METADATA: tracing::Metadata<'static> = tracing_core::metadata! {
        name: "job",
        target: "spans",
        level: Level::INFO,
        fields: &[],
        callsite: &CALLSITE,
        kind: Kind::SPAN
    };
    let metrics = Metrics::new();
    let dispatch = tracing::Dispatch::new(subscriber(&metrics, [both("job")]));
    let no_values: [(&Field, Option<&dyn Value>); 0] = [];
    let values = METADATA.fields().value_set(&no_values);
    for _ in 0..3 {
        let id = dispatch.new_span(&Attributes::new(&METADATA, &values));
        assert!(dispatch.try_close(id));
    }
    assert_eq!(metrics.count("closed"), 3);
    assert_eq!(metrics.count("open"), 3);
}

fn subscriber(
    metrics: &Metrics,
    rules: impl IntoIterator<Item = Rule>,
) -> impl tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a> + Send + Sync {
    Registry::default().with(metrics.layer(rules))
}

fn histogram<T>(metrics: &Metrics, name: &str, read: impl Fn(&HistogramDataPoint<f64>) -> T) -> T {
    metrics.read(name, |metric| match metric.data() {
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            read(histogram.data_points().next().expect("a data point"))
        }
        data => panic!("{name}: unexpected {data:?}"),
    })
}

/// Keeps the processor busy for at least `time`, and returns how long it was.
fn spin(time: Duration) -> Duration {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
    start.elapsed()
}
