//! How often recording allocates. `allocation-counter` replaces the allocator of the process.

mod support;

use allocation_counter::measure;
use std::thread;
use std::time::{Duration, Instant};
use support::{Metrics, both};
use tracing::field::Empty;
use tracing::subscriber::with_default;
use tracing::{Level, event, info_span};
use tracing_asdlc_metrics::{Label, Metered, Outcome, Rule};
use tracing_subscriber::prelude::*;

//
#[test]
fn a_warm_matched_span_allocates_nothing() {
    let metrics = Metrics::new();
    let rules = [both("job"), Rule::span("job").with_counter("second_total")];
    let spans = || {
        for _ in 0..1_000 {
            let _outer = info_span!("job").entered();
            let _inner = info_span!("job").entered();
            let _other = info_span!("other").entered();
        }
    };
    let subscriber = tracing_subscriber::registry().with(metrics.layer(rules));
    with_default(subscriber, || {
        spans();
        let warm = measure(spans);
        assert_eq!(warm.count_total, 0, "{warm:?}");
    });
    assert_eq!(metrics.count("closed"), 4_000);
}

//
#[test]
fn labels_outcome_and_gauge_allocate_nothing_once_their_values_are_known() {
    let metrics = Metrics::new();
    let rule = both("storage")
        .with_label(Label::field("operation").with_values(["get", "put"]))
        .with_label(Label::field("user").with_max_values(3))
        .with_label(Label::field("tenant").with_inheritance())
        .with_outcome(Outcome::label("outcome"))
        .with_in_flight("open")
        .with_opened_counter("opened_total");
    let lookups = Rule::event("lookup").with_counter("lookups_total").with_label("hit");
    let spans = || {
        for number in 0..1_000_u32 {
            let _request = info_span!("request", tenant = number % 2).entered();
            let span = info_span!("storage", operation = "get", user = number, late = Empty);
            span.record("late", "no label");
            span.record("user", format_args!("user {}", number % 10));
            span.in_scope(|| event!(name: "lookup", Level::INFO, hit = number % 3 == 0));
        }
    };
    let subscriber = tracing_subscriber::registry().with(metrics.layer([rule, lookups]));
    with_default(subscriber, || {
        spans();
        let warm = measure(spans);
        assert_eq!(warm.count_total, 0, "{warm:?}");
    });
    assert_eq!(metrics.count("closed"), 2_000);
    assert_eq!(metrics.count("lookups"), 2_000);
}

//
#[test]
fn a_warm_metered_future_allocates_nothing() {
    let metrics = Metrics::new();
    let rule = both("job").with_outcome(Outcome::label("outcome"));
    let futures = || {
        for _ in 0..1_000 {
            let mut future = std::pin::pin!(std::future::ready(()).metered(info_span!("job")));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(future.as_mut().poll(&mut context).is_ready());
        }
    };
    let subscriber = tracing_subscriber::registry().with(metrics.layer([rule]));
    with_default(subscriber, || {
        futures();
        let warm = measure(futures);
        assert_eq!(warm.count_total, 0, "{warm:?}");
    });
    assert_eq!(metrics.count("closed"), 2_000);
}

// X-02, F-19, a neighbour: more numbers than one batch has.
#[test]
fn a_warm_event_with_many_numbers_allocates_nothing() {
    let metrics = Metrics::new();
    let rule = Rule::prefixed_fields().with_label("kind");
    let events = || {
        for n in 0..1_000_u32 {
            tracing::info!(
                gauge.a0 = n,
                gauge.a1 = n,
                gauge.a2 = n,
                gauge.a3 = n,
                gauge.a4 = n,
                gauge.a5 = n,
                gauge.a6 = n,
                gauge.a7 = n,
                gauge.a8 = n,
                gauge.a9 = n,
                gauge.b0 = n,
                gauge.b1 = n,
                monotonic_counter.b2_total = 1,
                histogram.b3 = n,
                kind = n % 3
            );
        }
    };
    let layer = metrics.layer([rule]);
    let coverage = layer.coverage();
    with_default(tracing_subscriber::registry().with(layer), || {
        events();
        let start = Instant::now();
        while !coverage.pending().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(60), "a metric stays pending");
            thread::sleep(Duration::from_millis(1));
        }
        events();
        let warm = measure(events);
        assert_eq!(warm.count_total, 0, "{warm:?}");
    });
    assert_eq!(metrics.count("b2"), 3_000);
    assert_eq!(metrics.count("b3"), 3_000);
}

//
#[test]
fn an_unmatched_span_beside_another_layer_allocates_nothing() {
    let metrics = Metrics::new();
    let wants_all = tracing_subscriber::layer::Identity::new();
    let spans = || (0..1_000).for_each(|_| drop(info_span!("other")));
    let subscriber =
        tracing_subscriber::registry().with(metrics.layer([both("job")])).with(wants_all);
    with_default(subscriber, || {
        spans();
        let warm = measure(spans);
        assert_eq!(warm.count_total, 0, "{warm:?}");
    });
}
