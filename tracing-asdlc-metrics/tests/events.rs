//! What is recorded for events.

mod support;

use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use support::{Metrics, series};
use tracing::{Level, event, info, info_span};
use tracing_asdlc_metrics::{Label, Rule};
use tracing_subscriber::layer::SubscriberExt;

#[test]
fn an_event_is_counted_and_its_numbers_are_added_recorded_and_set() {
    let metrics = Metrics::new();
    let rule = Rule::event("cache.lookup")
        .with_counter("lookups_total")
        .with_sum("lookup_bytes_total", "bytes")
        .with_histogram("lookup_size_bytes", "bytes")
        .with_gauge("cache_entries", "entries")
        .with_boundaries([10.0, 100.0])
        .with_unit("By")
        .with_label(Label::field("hit").with_values(["true", "false"]));
    metrics.with([rule], || {
        assert_eq!(metrics.values("lookups"), series([("hit=false", 0), ("hit=true", 0)]));
        event!(name: "cache.lookup", Level::INFO, hit = true, bytes = 5, entries = 7);
        event!(name: "cache.lookup", Level::INFO, hit = true, bytes = 50, entries = 8, "a message");
        event!(name: "cache.lookup", Level::INFO, hit = false, entries = 9);
        event!(name: "cache.lookup", Level::DEBUG, hit = false, entries = 9);
        event!(name: "cache.store", Level::INFO, hit = true);
        info!(hit = true, "cache.lookup");
    });
    assert_eq!(metrics.values("lookups"), series([("hit=false", 1), ("hit=true", 2)]));
    assert_eq!(metrics.values("lookup"), series([("hit=false", 0), ("hit=true", 55)]));
    assert_eq!(metrics.values("lookup_size"), series([("hit=true", 2)]));
    assert_eq!(metrics.sums("lookup_size"), series([("hit=true", 55)]));
    assert_eq!(metrics.values("cache_entries"), series([("hit=false", 9), ("hit=true", 8)]));
    assert_eq!(metrics.read("lookup_size", |metric| metric.unit().to_owned()), "By");
    assert_eq!(metrics.read("lookups", |metric| metric.unit().to_owned()), "");
    let bounds = metrics.read("lookup_size", |metric| match metric.data() {
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            histogram.data_points().next().unwrap().bounds().collect::<Vec<_>>()
        }
        data => panic!("unexpected {data:?}"),
    });
    assert_eq!(bounds, [10.0, 100.0]);
}

// Trap 8
#[test]
fn every_type_of_number_is_recorded_and_no_negative_one_reaches_a_counter() {
    let metrics = Metrics::new();
    let rule = Rule::events()
        .with_target("numbers")
        .with_sum("sum", "v")
        .with_histogram("histogram", "v")
        .with_boundaries([1.0])
        .with_gauge("gauge", "v")
        .with_label("id");
    metrics.with([rule], || {
        let id = "i64";
        event!(target: "numbers", Level::INFO, id, v = -1_i64);
        event!(target: "numbers", Level::INFO, id, v = 3_i64);
        let id = "u64";
        event!(target: "numbers", Level::INFO, id, v = u64::MAX);
        let id = "i128";
        event!(target: "numbers", Level::INFO, id, v = i128::MIN);
        event!(target: "numbers", Level::INFO, id, v = u128::MAX);
        let id = "f64";
        event!(target: "numbers", Level::INFO, id, v = 0.5_f64);
        event!(target: "numbers", Level::INFO, id, v = f64::NAN);
        event!(target: "numbers", Level::INFO, id, v = f64::INFINITY);
        let id = "bool";
        event!(target: "numbers", Level::INFO, id, v = true);
        let id = "text";
        event!(target: "numbers", Level::INFO, id, v = "5");
        event!(target: "numbers", Level::INFO, id, v = %5);
        event!(target: "numbers", Level::INFO, id, v = ?5);
    });
    let max = u64::MAX as f64;
    let expect = |name: &str, i128: Option<f64>, i64: f64, f64: f64| {
        let mut values = metrics.values(name);
        assert_eq!(values.remove("id=i128"), i128, "{name}");
        assert_eq!(values.remove("id=i64"), Some(i64), "{name}");
        assert_eq!(values.remove("id=f64"), Some(f64), "{name}");
        assert_eq!(values.remove("id=bool"), Some(1.0), "{name}");
        assert!(values.remove("id=u64") >= Some(1.0), "{name}");
        assert!(values.is_empty(), "{name}: {values:?}");
    };
    expect("sum", Some(u128::MAX as f64), 3.0, 0.5);
    expect("histogram", Some(2.0), 2.0, 1.0);
    expect("gauge", Some(u128::MAX as f64), 3.0, 0.5);
    assert_eq!(metrics.values("sum")["id=u64"], max);
    assert_eq!(metrics.sums("histogram")["id=i64"], 2.0);
}

#[test]
fn an_event_inherits_a_label_from_its_span_or_the_nearest_ancestor() {
    let metrics = Metrics::new();
    let rule = Rule::events()
        .with_target("cache")
        .with_counter("misses_total")
        .with_label(Label::field("tenant").with_inheritance());
    metrics.with([rule], || {
        let miss = || event!(target: "cache", Level::INFO, "a miss");
        miss();
        let outer = info_span!("request", tenant = "a").entered();
        miss();
        info_span!("step").in_scope(miss);
        info_span!("request", tenant = "b").in_scope(miss);
        event!(target: "cache", Level::INFO, tenant = "own");
        let elsewhere = info_span!(parent: None, "request", tenant = "c");
        event!(target: "cache", parent: &elsewhere, Level::INFO, "a miss");
        event!(target: "cache", parent: None, Level::INFO, "a miss");
        drop(outer);
    });
    assert_eq!(
        metrics.values("misses"),
        series([("", 2), ("tenant=a", 2), ("tenant=b", 1), ("tenant=c", 1), ("tenant=own", 1)])
    );
}

// Trap 8
#[test]
fn prefixed_fields_are_metrics_of_the_documented_kinds() {
    let metrics = Metrics::new();
    let rule = Rule::prefixed_fields().with_label("currency").with_boundaries([1.0, 10.0]);
    metrics.with([rule], || {
        for count in [2_i64, 3, -1] {
            info!(monotonic_counter.orders = count, currency = "EUR", customer = "not a label");
        }
        info!(monotonic_counter.orders = 1.5, currency = "USD");
        info!(counter.carts = 2);
        info!(counter.carts = -3_i64, "below zero");
        info!(histogram.price = 7_i64, gauge.stock = 4_u64, currency = "EUR");
        info!(histogram.price = 0.5, gauge.stock = -4.5, currency = "EUR");
        info!(histogram.price = f64::NAN);
        info!(unrelated.price = 1);
    });
    assert_eq!(metrics.values("orders")["currency=EUR"], 5.0);
    assert_eq!(metrics.values("orders")["currency=USD"], 1.5);
    assert_eq!(metrics.values("carts"), series([("", -1)]));
    assert_eq!(metrics.values("price"), series([("currency=EUR", 2)]));
    assert_eq!(metrics.sums("price")["currency=EUR"], 7.5);
    assert_eq!(metrics.values("stock")["currency=EUR"], -4.5);
    metrics.read("orders", |metric| {
        let AggregatedMetrics::F64(MetricData::Sum(sum)) = metric.data() else { panic!("a sum") };
        assert!(sum.is_monotonic());
    });
    metrics.read("carts", |metric| {
        let AggregatedMetrics::F64(MetricData::Sum(sum)) = metric.data() else { panic!("a sum") };
        assert!(!sum.is_monotonic());
    });
}

// Trap 14
#[test]
fn a_prefixed_field_with_an_invalid_name_another_kind_or_another_spelling_is_refused_and_listed() {
    let metrics = Metrics::new();
    let rules = [Rule::prefixed_fields(), Rule::span("job").with_counter("jobs_total")];
    let layer = metrics.layer(rules);
    let coverage = layer.coverage();
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..2 {
            info!(gauge.size = 1);
            info!(histogram.size = 1);
            info!(gauge.jobs.total = 1);
            info!(gauge.Size = 1);
            info!("gauge.no name" = 1);
            info!(gauge.size = 3);
        }
    });
    assert_eq!(metrics.values("size"), series([("", 3)]));
    let refused = coverage.refused();
    assert_eq!(refused.len(), 4, "{refused:?}");
    assert_eq!(refused[0], "invalid gauge name \"jobs.total\": \"jobs_total\" is a counter");
    assert!(refused[1].starts_with("invalid gauge name \"no name\": must match"), "{refused:?}");
    assert_eq!(refused[2], "invalid histogram name \"size\": \"size\" is a gauge");
    let spelling = "must be \"size\", because a metrics backend does not distinguish them";
    assert_eq!(refused[3], format!("invalid metric name \"Size\": {spelling}"));
    assert_eq!(coverage.unmatched(), ["rule 2, span \"job\""]);
}
