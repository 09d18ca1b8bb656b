//! Labels: which values they have, and that these are bounded.

mod support;

use std::fmt;
use support::{Metrics, both, series};
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
        assert_eq!(metrics.values("storage_operations_total"), series(zero), "from the start");
        for (operation, backend) in [("get", "local"), ("get", "redis"), ("put", "redis")] {
            drop(info_span!("storage", operation, backend));
        }
        drop(info_span!("storage", backend = "redis", operation = "get"));
        drop(info_span!("storage", backend = "postgres", operation = "get"));
    });
    let counted = metrics.values("storage_operations_total");
    assert_eq!(counted["backend=local,operation=get"], 1.0);
    assert_eq!(counted["backend=redis,operation=get"], 2.0, "in whatever order they are declared");
    assert_eq!(counted["backend=redis,operation=put"], 1.0);
    assert_eq!(counted["backend=other,operation=get"], 1.0);
    assert_eq!(counted.len(), 7);
    let timed = metrics.values("storage_operation_duration_seconds");
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
        assert_eq!(metrics.values("messages_received_total"), series([("", 0)]));
        let message = info_span!("process_message");
        assert_eq!(metrics.count("messages_received_total"), 1, "received");
        assert!(!metrics.has("message_processing_duration_seconds"), "not processed yet");
        drop(message);
        assert_eq!(metrics.count("messages_received_total"), 1);
        assert_eq!(metrics.count("message_processing_duration_seconds"), 1);
    });
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
        metrics.values("jobs_total"),
        series([("", 2), ("status=at first", 1), ("status=last", 1)])
    );
}

// Trap 8
#[test]
fn each_kind_of_value_is_the_text_that_is_documented() {
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
        metrics.values("jobs_total"),
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
        metrics.values("jobs_total"),
        series([("", 1), ("a=", 1), ("a=,b=", 1), ("a=x", 1), ("b=x", 2)])
    );
}

#[test]
fn a_default_stands_for_a_missing_value_and_a_label_may_have_another_name() {
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
        metrics.values("jobs_total"),
        series([("method=GET", 1), ("method=_OTHER", 1), ("method=none", 2)])
    );
}

// Trap 10, X-03
#[test]
fn a_million_user_values_give_a_bounded_number_of_series() {
    let metrics = Metrics::new();
    let rule = Rule::span("job")
        .with_counter("jobs_total")
        .with_label(Label::field("user").with_max_values(10));
    metrics.with([rule], || {
        for user in 0..1_000_000 {
            drop(info_span!("job", user, message = "text"));
        }
    });
    let counted = metrics.values("jobs_total");
    assert_eq!(counted.len(), 11);
    assert_eq!(counted["user=9"], 1.0);
    assert_eq!(counted["user=other"], 999_990.0);
}

// Trap 10, X-03
#[test]
fn no_value_is_longer_than_its_cap_however_it_is_written() {
    let metrics = Metrics::new();
    let short = Rule::span("job")
        .with_counter("jobs_total")
        .with_label(Label::field("v").with_max_bytes(4));
    metrics.with([short], || {
        for value in ["four", "fives", "äö", "äöü"] {
            drop(info_span!("job", v = value));
            drop(info_span!("job", v = %value));
        }
        drop(info_span!("job", v = %Endless));
        drop(info_span!("job", v = %"ä".repeat(1_000)));
        drop(info_span!("job", v = %format!("x{}", "ä".repeat(1_000))));
    });
    assert_eq!(metrics.values("jobs_total"), series([("v=four", 2), ("v=other", 7), ("v=äö", 2)]));
}

/// It ends when the buffer is full: what it writes is refused then.
struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        loop {
            f.write_str("again and again ")?;
        }
    }
}

//
#[test]
fn series_have_a_cap_below_the_sdks_and_what_is_beyond_is_one_series() {
    let metrics = Metrics::new();
    let label = |field| Label::field(field).with_max_values(1_000);
    let rule = both("job").with_label(label("a")).with_label(label("b"));
    let few = Rule::span("job").with_counter("few_total").with_label(label("a")).with_max_series(8);
    metrics.with([rule, few], || {
        for number in 0..5_000 {
            drop(info_span!("job", a = number % 1_000, b = number / 7));
        }
    });
    for (name, most) in [("closed_total", 1_800), ("open_seconds", 1_800), ("few_total", 8)] {
        let counted = metrics.values(name);
        assert_eq!(counted.len(), most, "{name}");
        assert_eq!(counted.values().sum::<f64>(), 5_000.0, "{name}");
        assert!(counted.keys().all(|labels| !labels.contains("overflow")), "{name}");
    }
    assert!(metrics.values("closed_total").contains_key("a=other,b=other"));
    assert_eq!(metrics.values("few_total")["a=other"], 5_000.0 - 7.0 * 5.0);
}

//
#[test]
fn what_is_shown_from_the_start_is_within_the_cap() {
    let metrics = Metrics::new();
    let values: Vec<_> = (0..9).map(|value| value.to_string()).collect();
    let rule = |name: &'static str, max: usize| {
        let label = Label::field("v").with_values(values.clone());
        Rule::span("job").with_counter(name).with_label(label).with_max_series(max)
    };
    metrics.with([rule("ten_total", 10), rule("nine_total", 9)], || {
        assert_eq!(metrics.values("ten_total").len(), 9);
        assert!(!metrics.has("nine_total"));
        (0..20).for_each(|v| drop(info_span!("job", v)));
    });
    assert_eq!(metrics.values("ten_total").len(), 10);
    assert_eq!(metrics.values("nine_total").len(), 9);
}

//
#[test]
fn rules_that_share_a_metric_share_the_sdks_limit() {
    let metrics = Metrics::new();
    let rule = |span: &'static str, field: &'static str| {
        let label = Label::field(field).with_max_values(1_000);
        Rule::span(span).with_counter("jobs_total").with_label(label).with_label("x")
    };
    metrics.with([rule("one", "a"), rule("two", "b")], || {
        for number in 0..3_000 {
            drop(info_span!("one", a = number % 900, x = number / 900));
            drop(info_span!("two", b = number % 900, x = number / 900));
        }
    });
    let counted = metrics.values("jobs_total");
    assert_eq!(counted.len(), 1_800);
    assert_eq!(counted.values().sum::<f64>(), 6_000.0);
}

#[test]
fn a_value_is_inherited_from_the_nearest_ancestor_that_has_one() {
    let metrics = Metrics::new();
    let rule =
        Rule::span("job").with_counter("jobs_total").with_label(Label::field("tenant").inherited());
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
        metrics.values("jobs_total"),
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
fn two_rules_for_one_span_have_labels_of_their_own() {
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
    assert_eq!(metrics.values("jobs_total"), series([("a=1", 1)]));
    assert_eq!(metrics.values("both_total"), series([("a=1,b=2", 1)]));
    assert_eq!(metrics.values("target_total"), series([("b=2", 1), ("b=3", 1)]));
    assert_eq!(metrics.count("elsewhere_total"), 0);
}

#[test]
fn a_span_that_other_layers_filter_is_labelled_all_the_same() {
    let metrics = Metrics::new();
    let off = Identity::new().with_filter(tracing::level_filters::LevelFilter::OFF);
    let rule = by("a").with_max_level(Level::TRACE);
    let subscriber = metrics.subscriber([rule]).with(off);
    tracing::subscriber::with_default(subscriber, || drop(tracing::trace_span!("job", a = "x")));
    assert_eq!(metrics.values("jobs_total"), series([("a=x", 1)]));
}

fn by(field: &'static str) -> Rule {
    Rule::span("job").with_counter("jobs_total").with_label(field)
}
