//! The values of labels.

mod support;

use support::{Metrics, series};
use tracing::field::Empty;
use tracing::{Level, debug_span, info_span};
use tracing_asdlc_metrics::{Label, Rule};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Identity, SubscriberExt};

// N-03
#[test]
fn the_storage_rule_of_the_node_agent() {
    let rule = Rule::span("storage")
        .with_counter("storage_operations_total")
        .with_duration("storage_operation_duration_seconds")
        .with_label(Label::field("operation").with_values(["get", "put", "delete"]))
        .with_label(Label::field("backend").with_values(["local", "redis"]));
    let metrics = Metrics::new();
    metrics.with([rule], || {
        let zero = [
            ("backend=local,operation=delete", 0),
            ("backend=local,operation=get", 0),
            ("backend=local,operation=put", 0),
            ("backend=redis,operation=delete", 0),
            ("backend=redis,operation=get", 0),
            ("backend=redis,operation=put", 0),
        ];
        assert_eq!(metrics.values("storage_operations"), series(zero), "from the start");
        for (operation, backend) in [("get", "local"), ("get", "redis"), ("put", "redis")] {
            drop(info_span!("storage", operation, backend));
        }
        drop(info_span!("storage", backend = "redis", operation = "get"));
        drop(info_span!("storage", backend = "postgres", operation = "get"));
    });
    let counted = metrics.values("storage_operations");
    assert_eq!(counted["backend=local,operation=get"], 1.0);
    assert_eq!(counted["backend=redis,operation=get"], 2.0, "in any order of the fields");
    assert_eq!(counted["backend=redis,operation=put"], 1.0);
    assert_eq!(counted["backend=other,operation=get"], 1.0);
    assert_eq!(counted.len(), 7);
    let timed = metrics.values("storage_operation_duration");
    assert_eq!(timed["backend=redis,operation=get"], 2.0);
}

// N-02
#[test]
fn the_message_rule_of_the_node_agent() {
    let rule = Rule::span("process_message")
        .with_opened_counter("messages_received_total")
        .with_duration("message_processing_duration_seconds");
    let metrics = Metrics::new();
    metrics.with([rule], || {
        assert_eq!(metrics.values("messages_received"), series([("", 0)]));
        let message = info_span!("process_message");
        assert_eq!(metrics.count("messages_received"), 1, "received");
        assert!(!metrics.has("message_processing_duration"), "not processed yet");
        drop(message);
        assert_eq!(metrics.count("messages_received"), 1);
        assert_eq!(metrics.count("message_processing_duration"), 1);
    });
}

/// A field may be several labels, each with its own values.
//
#[test]
fn one_field_labels_the_metrics_of_several_rules() {
    let kind = || Label::field("kind");
    let rules = [
        Rule::span("job").with_counter("listed").with_label(kind().with_values(["a", "b"])),
        Rule::span("job").with_counter("other_list").with_label(kind().with_values(["b", "c"])),
        Rule::span("job").with_counter("any").with_label(kind().with_name("any_kind")),
    ];
    let metrics = Metrics::new();
    metrics.with(rules, || {
        drop(info_span!("job", kind = "a"));
        drop(info_span!("job", kind = "b", other = "c"));
        info_span!("job", kind = Empty).record("kind", "c");
    });
    let of = |values: [(&str, i32); 3]| series(values);
    assert_eq!(metrics.values("listed"), of([("kind=a", 1), ("kind=b", 1), ("kind=other", 1)]));
    assert_eq!(metrics.values("other_list"), of([("kind=b", 1), ("kind=c", 1), ("kind=other", 1)]));
    let any = of([("any_kind=a", 1), ("any_kind=b", 1), ("any_kind=c", 1)]);
    assert_eq!(metrics.values("any"), any);
}

// Trap 7
#[test]
fn a_field_recorded_late_labels_the_metric_and_the_last_value_wins() {
    let metrics = Metrics::new();
    metrics.with([by("status")], || {
        let span = info_span!("job", status = Empty, other = Empty);
        span.record("status", "first");
        span.record("status", "last");
        span.record("other", "not a label");
        drop(span);
        let span = info_span!("job", status = "at first");
        span.record("undeclared", "nothing");
        drop(span);
        drop(info_span!("job", status = Empty));
        drop(info_span!("job"));
    });
    assert_eq!(
        metrics.values("jobs"),
        series([("", 2), ("status=at first", 1), ("status=last", 1)])
    );
}

// Trap 8
#[test]
fn each_type_of_value_has_the_documented_text() {
    let metrics = Metrics::new();
    let error: &(dyn std::error::Error + 'static) = &std::fmt::Error;
    metrics.with([by("v")], || {
        drop(info_span!("job", v = -1_i64));
        drop(info_span!("job", v = u64::MAX));
        drop(info_span!("job", v = i128::MIN));
        drop(info_span!("job", v = 1.0_f64));
        drop(info_span!("job", v = f64::NAN));
        drop(info_span!("job", v = true));
        drop(info_span!("job", v = %"shown"));
        drop(info_span!("job", v = ?"shown"));
        drop(info_span!("job", v = ?Some(1)));
        drop(info_span!("job", v = error));
    });
    let message = format!("v={error}");
    assert_eq!(
        metrics.values("jobs"),
        series([
            ("v=-1", 1),
            ("v=18446744073709551615", 1),
            ("v=-170141183460469231731687303715884105728", 1),
            ("v=1.0", 1),
            ("v=NaN", 1),
            ("v=true", 1),
            ("v=shown", 1),
            ("v=\"shown\"", 1),
            ("v=Some(1)", 1),
            (&message, 1),
        ])
    );
}

// Trap 9
#[test]
fn a_missing_label_is_not_an_empty_one_and_labels_are_not_mixed_up() {
    let metrics = Metrics::new();
    let rule = by("a").with_label("b");
    metrics.with([rule], || {
        drop(info_span!("job", a = "x"));
        drop(info_span!("job", b = "x"));
        drop(info_span!("job", b = "x", a = Empty));
        drop(info_span!("job", a = ""));
        drop(info_span!("job", a = "", b = ""));
        drop(info_span!("job"));
    });
    assert_eq!(
        metrics.values("jobs"),
        series([("", 1), ("a=", 1), ("a=,b=", 1), ("a=x", 1), ("b=x", 2)])
    );
}

#[test]
fn a_label_may_have_a_default_an_overflow_value_and_another_name() {
    let metrics = Metrics::new();
    let label = Label::field("http.method")
        .with_name("method")
        .with_default("none")
        .with_overflow_value("_OTHER");
    let rule = Rule::span("job").with_counter("jobs_total").with_label(label.with_values(["GET"]));
    metrics.with([rule], || {
        drop(info_span!("job"));
        drop(info_span!("job", http.method = Empty));
        drop(info_span!("job", http.method = "GET"));
        drop(info_span!("job", http.method = "BREW"));
    });
    assert_eq!(
        metrics.values("jobs"),
        series([("method=GET", 1), ("method=_OTHER", 1), ("method=none", 2)])
    );
}

#[test]
fn a_value_is_inherited_from_the_nearest_ancestor_that_has_one() {
    let metrics = Metrics::new();
    let rule = Rule::span("job")
        .with_counter("jobs_total")
        .with_label(Label::field("tenant").with_inheritance());
    metrics.with([rule], || {
        let outer = info_span!("request", tenant = "outer").entered();
        drop(info_span!("job"));
        let middle = info_span!("no field").entered();
        drop(info_span!("job"));
        let inner = info_span!("request", tenant = Empty).entered();
        drop(info_span!("job", tenant = Empty));
        inner.record("tenant", "inner");
        drop(info_span!("job"));
        drop(info_span!("job", tenant = "own"));
        let late = info_span!("job", tenant = Empty);
        late.record("tenant", "late");
        drop(late);
        drop(info_span!(parent: None, "job"));
        drop(info_span!(parent: &outer, "job"));
        drop((inner, middle, outer));
        drop(info_span!("job"));
        let debug = debug_span!("request", tenant = "below the rule's level").entered();
        assert!(debug.is_disabled());
    });
    assert_eq!(
        metrics.values("jobs"),
        series([
            ("", 2),
            ("tenant=inner", 1),
            ("tenant=late", 1),
            ("tenant=outer", 4),
            ("tenant=own", 1)
        ])
    );
}

#[test]
fn two_rules_for_one_span_have_their_own_labels() {
    let metrics = Metrics::new();
    let rules = [
        by("a"),
        Rule::span("job").with_counter("both_total").with_label("b").with_label("a"),
        Rule::spans().with_target("labels").with_counter("target_total").with_label("b"),
        Rule::spans().with_target("label").with_counter("elsewhere_total"),
    ];
    metrics.with(rules, || {
        drop(info_span!("job", a = 1, b = 2));
        drop(info_span!(target: "labels::inner", "step", b = 3));
    });
    assert_eq!(metrics.values("jobs"), series([("a=1", 1)]));
    assert_eq!(metrics.values("both"), series([("a=1,b=2", 1)]));
    assert_eq!(metrics.values("target"), series([("b=2", 1), ("b=3", 1)]));
    assert_eq!(metrics.count("elsewhere"), 0);
}

#[test]
fn a_span_that_another_layer_refuses_has_its_labels() {
    let metrics = Metrics::new();
    let off = Identity::new().with_filter(tracing::level_filters::LevelFilter::OFF);
    let rule = by("a").with_max_level(Level::TRACE);
    let subscriber = metrics.subscriber([rule]).with(off);
    tracing::subscriber::with_default(subscriber, || drop(tracing::trace_span!("job", a = "x")));
    assert_eq!(metrics.values("jobs"), series([("a=x", 1)]));
}

fn by(field: &'static str) -> Rule {
    Rule::span("job").with_counter("jobs_total").with_label(field)
}
