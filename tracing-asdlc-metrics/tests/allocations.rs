//! What a span costs the allocator, which `allocation-counter` replaces: a process of its own.

mod support;

use allocation_counter::measure;
use support::{Metrics, both};
use tracing::info_span;
use tracing::subscriber::with_default;
use tracing_asdlc_metrics::Rule;
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
    assert_eq!(metrics.count("closed_total"), 4_000);
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
