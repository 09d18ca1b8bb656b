//! The name of a metric in a rule, with and without the suffixes that a Prometheus exporter appends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use support::{Metrics, bucket_counts, series};
use tracing::{Level, event, info, info_span};
use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};

/// The unit of an instrument, which must exist once.
fn unit(metrics: &Metrics, name: &str) -> String {
    metrics.read(name, |metric| metric.unit().to_owned())
}

fn error(rules: impl IntoIterator<Item = Rule>) -> String {
    SpanMetricsLayer::new(&Metrics::new().meter(), rules).unwrap_err().to_string()
}

//
#[test]
fn a_rule_names_the_same_metrics_with_and_without_their_suffixes() {
    let with = Rule::span("checkout")
        .with_opened_counter("checkouts_started_total")
        .with_counter("checkouts_total")
        .with_duration("checkout_duration_seconds");
    let without = Rule::span("pay")
        .with_opened_counter("checkouts_started")
        .with_counter("checkouts")
        .with_duration("checkout_duration");
    let metrics = Metrics::new();
    metrics.with([with, without], || {
        drop(info_span!("checkout"));
        drop(info_span!("pay"));
    });
    for name in ["checkouts_started", "checkouts", "checkout_duration"] {
        assert_eq!(metrics.values(name), series([("", 2)]), "{name}");
    }
    assert_eq!(unit(&metrics, "checkout_duration"), "s");
    assert_eq!(unit(&metrics, "checkouts"), "");
}

//
#[test]
fn the_numbers_of_events_have_the_unit_of_their_name() {
    let rules = [
        Rule::event("sent").with_sum("sent_bytes_total", "bytes").with_gauge("used_ratio", "used"),
        // A histogram of seconds has default boundaries.
        Rule::event("sent").with_histogram("sending_seconds", "seconds"),
        Rule::event("took").with_sum("sent_bytes", "bytes"),
    ];
    let metrics = Metrics::new();
    metrics.with(rules, || {
        event!(name: "sent", Level::INFO, bytes = 5, used = 0.5, seconds = 0.02);
        event!(name: "took", Level::INFO, bytes = 2);
    });
    assert_eq!(metrics.values("sent"), series([("", 7)]));
    assert_eq!((unit(&metrics, "sent"), unit(&metrics, "used")), ("By".into(), "1".into()));
    assert_eq!(unit(&metrics, "sending"), "s");
    assert_eq!(metrics.read("sending", bucket_counts).len(), 12);
}

//
#[test]
fn a_duration_is_recorded_in_the_unit_of_its_name() {
    let metrics = Metrics::new();
    let rules = [
        Rule::span("job").with_duration("job_milliseconds").with_boundaries([1.0, 1_000.0]),
        Rule::span("job").with_duration("job_duration_seconds"),
    ];
    metrics.with(rules, || drop(info_span!("job")));
    assert_eq!(unit(&metrics, "job"), "ms");
    let ratio = metrics.sums("job")[""] / metrics.sums("job_duration")[""];
    assert!((ratio - 1e3).abs() < 1e-6, "{ratio}");
    assert_eq!(
        error([Rule::span("job").with_duration("job_milliseconds")]),
        "rule 1, span \"job\": missing boundaries: the default ones are for seconds; add `with_boundaries`, in the rule's unit"
    );
}

//
#[test]
fn prefixed_fields_name_the_same_metrics_with_and_without_their_suffixes() {
    let metrics = Metrics::new();
    let layer = metrics.layer([Rule::prefixed_fields()]);
    let coverage = layer.coverage();
    use tracing_subscriber::prelude::*;
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info!(monotonic_counter.orders_total = 1);
        info!(monotonic_counter.orders = 2);
        info!(monotonic_counter.sent_bytes_total = 3);
        info!(counter.queue_bytes = 4);
        info!(histogram.wait_seconds = 0.5);
        info!(gauge.temperature_celsius = 20);
        // Other metrics in Prometheus: `orders` and `wait`.
        info!(counter.orders_open = 5);
        info!(gauge.wait = 6);
    });
    assert_eq!(metrics.values("orders"), series([("", 3)]));
    for (name, expected, value) in
        [("sent", "By", 3), ("queue", "By", 4), ("temperature", "Cel", 20), ("orders_open", "", 5)]
    {
        assert_eq!(metrics.values(name), series([("", value)]), "{name}");
        assert_eq!(unit(&metrics, name), expected, "{name}");
    }
    assert_eq!(coverage.refused(), [] as [String; 0]);
    assert_eq!(coverage.pending(), [] as [String; 0]);
}

// a rule's unit is for all its fields, whose names are not known when the layer is built.
#[test]
fn the_unit_of_prefixed_fields_wins_over_another_unit_in_a_name() {
    let metrics = Metrics::new();
    metrics.with([Rule::prefixed_fields().with_unit("s")], || {
        info!(histogram.wait_seconds = 0.5);
        info!(gauge.queue_bytes = 4);
    });
    assert_eq!(unit(&metrics, "wait"), "s");
    assert_eq!(unit(&metrics, "queue_bytes"), "s");
}

//
#[test]
fn a_unit_that_contradicts_the_name_is_refused() {
    let duration = Rule::span("job").with_duration("job_seconds").with_unit("ms");
    assert_eq!(
        error([duration.with_boundaries([1.0])]),
        "rule 1, span \"job\": invalid unit \"ms\" of \"job_seconds\": must be \"s\", as the name says; for another unit, change \
         the name or make a second rule"
    );
    let sum = Rule::event("e").with_sum("sent_bytes_total", "bytes").with_gauge("load", "load");
    assert!(
        error([sum.with_unit("1")])
            .contains("invalid unit \"1\" of \"sent_bytes_total\": must be \"By\"")
    );
}

//
#[test]
fn metrics_that_prometheus_does_not_distinguish_must_be_one_metric() {
    for (rules, expected) in [
        (
            [
                Rule::span("a").with_duration("wait"),
                Rule::event("b").with_gauge("wait_seconds", "s"),
            ],
            "rule 2, event \"b\": invalid gauge name \"wait_seconds\": \"wait\" in rule 1 is a histogram with the same name in \
             Prometheus",
        ),
        (
            [Rule::span("a").with_counter("jobs"), Rule::span("a").with_counter("jobs_total")],
            "rule 2, span \"a\": invalid metric name \"jobs_total\": rule 1 already records this metric for the same spans or \
             events",
        ),
        (
            [Rule::span("a").with_counter("jobs_total"), Rule::span("b").with_counter("Jobs")],
            "rule 2, span \"b\": invalid metric name \"Jobs\": must be \"jobs_total\" as in rule 1, because a metrics backend \
             does not distinguish them",
        ),
        (
            [Rule::span("a").with_counter("jobs"), Rule::span("b").with_in_flight("jobs_total")],
            "rule 2, span \"b\": invalid in-flight gauge name \"jobs_total\": \"jobs\" in rule 1 is a counter with the same \
             name in Prometheus",
        ),
    ] {
        assert_eq!(error(rules), expected);
    }
}

// Prometheus shows `jobs_total`, `jobs`, `jobs_seconds`, `queue` and `queue_bytes`.
#[test]
fn metrics_that_only_their_suffix_distinguishes_are_two_metrics() {
    let rules = [
        Rule::span("job")
            .with_counter("jobs_total")
            .with_in_flight("jobs")
            .with_duration("jobs_seconds"),
        Rule::event("queue").with_gauge("queue", "length"),
        Rule::event("queue").with_gauge("queue_bytes", "bytes"),
    ];
    let metrics = Metrics::new();
    let mut found = Vec::new();
    metrics.with(rules, || {
        drop(info_span!("job"));
        event!(name: "queue", Level::INFO, length = 3, bytes = 700);
    });
    metrics.each(|metric| {
        let kind = match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(_)) => "counter",
            AggregatedMetrics::I64(MetricData::Sum(_)) => "in flight",
            AggregatedMetrics::F64(MetricData::Histogram(_)) => "histogram",
            AggregatedMetrics::F64(MetricData::Gauge(_)) => "gauge",
            data => panic!("unexpected {data:?}"),
        };
        found.push(format!("{} {} {kind}", metric.name(), metric.unit()));
    });
    found.sort();
    let expected =
        ["jobs  counter", "jobs  in flight", "jobs s histogram", "queue  gauge", "queue By gauge"];
    assert_eq!(found, expected);
}
