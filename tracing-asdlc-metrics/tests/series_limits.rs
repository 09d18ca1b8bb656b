//! The number of series and the length of label values are bounded.

mod support;

use std::fmt;
use support::{Metrics, both, series};
use tracing::{info, info_span};
use tracing_asdlc_metrics::{Label, Outcome, Rule};

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
    let counted = metrics.values("jobs");
    assert_eq!(counted.len(), 11);
    assert_eq!(counted["user=9"], 1.0);
    assert_eq!(counted["user=other"], 999_990.0);
}

// Trap 10, X-03
#[test]
fn a_value_longer_than_its_limit_becomes_the_overflow_value() {
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
    assert_eq!(metrics.values("jobs"), series([("v=four", 2), ("v=other", 7), ("v=äö", 2)]));
}

/// Its formatting ends when the buffer is full, because a write then fails.
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
fn the_series_limit_is_below_that_of_the_sdk_and_further_label_sets_are_one_series() {
    let metrics = Metrics::new();
    let label = |field| Label::field(field).with_max_values(1_000);
    let rule = both("job").with_label(label("a")).with_label(label("b"));
    let few = Rule::span("job").with_counter("few_total").with_label(label("a")).with_max_series(8);
    metrics.with([rule, few], || {
        for number in 0..5_000 {
            drop(info_span!("job", a = number % 1_000, b = number / 7));
        }
    });
    for (name, most) in [("closed", 1_800), ("open", 1_800), ("few", 8)] {
        let counted = metrics.values(name);
        assert_eq!(counted.len(), most, "{name}");
        assert_eq!(counted.values().sum::<f64>(), 5_000.0, "{name}");
        assert!(!counted.contains_key("otel.metric.overflow=true"), "{name}: the limit of the SDK");
    }
    assert!(metrics.values("closed").contains_key("a=other,b=other,otel.metric.overflow=true"));
    assert_eq!(metrics.values("few")["a=other,otel.metric.overflow=true"], 5_000.0 - 7.0 * 5.0);
}

//
#[test]
fn the_overflow_series_is_not_the_series_of_the_value_other() {
    let metrics = Metrics::new();
    let rule = Rule::span("job")
        .with_counter("jobs_total")
        .with_in_flight("open_jobs")
        .with_duration("job_seconds")
        .with_outcome(Outcome::label("outcome"))
        .with_label(Label::field("kind").with_max_values(9))
        .with_max_series(20);
    metrics.with([rule], || {
        // The value `other`, then as many values as the label may have, and a further one.
        for kind in ["other", "a", "b", "c", "d"] {
            drop(info_span!("job", kind));
        }
    });
    let outcome = "outcome=unknown";
    let counted = metrics.values("jobs");
    // 20 series are 4 label sets with 5 outcomes: three of their own, and the overflow label set.
    let expected = [
        (format!("kind=a,{outcome}"), 1.0),
        (format!("kind=b,{outcome}"), 1.0),
        (format!("kind=other,otel.metric.overflow=true,{outcome}"), 2.0),
        (format!("kind=other,{outcome}"), 1.0),
    ];
    assert_eq!(counted, expected.clone().into());
    assert_eq!(metrics.values("job"), expected.into());
    let open = metrics.values("open_jobs");
    assert!(open.contains_key("kind=other,otel.metric.overflow=true"), "{open:?}");

    // A value beyond the limit of a label is not an overflow of the metric.
    let label = Label::field("kind").with_max_values(1);
    let rule = Rule::span("task").with_counter("tasks_total").with_label(label);
    metrics.with([rule], || ["a", "b", "c"].map(|kind| drop(info_span!("task", kind))));
    assert_eq!(metrics.values("tasks"), series([("kind=a", 1), ("kind=other", 2)]));
}

//
#[test]
fn preinitialized_series_are_within_the_limit() {
    let metrics = Metrics::new();
    let values: Vec<_> = (0..9).map(|value| value.to_string()).collect();
    let rule = |name: &'static str, max: usize| {
        let label = Label::field("v").with_values(values.clone());
        Rule::span("job").with_counter(name).with_label(label).with_max_series(max)
    };
    metrics.with([rule("ten_total", 10), rule("nine_total", 9)], || {
        assert_eq!(metrics.values("ten").len(), 9);
        assert!(!metrics.has("nine"));
        (0..20).for_each(|v| drop(info_span!("job", v)));
    });
    assert_eq!(metrics.values("ten").len(), 10);
    assert_eq!(metrics.values("nine").len(), 9);
}

//
#[test]
fn rules_that_share_a_metric_share_its_series_limit() {
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
    let counted = metrics.values("jobs");
    assert_eq!(counted.len(), 1_800);
    assert_eq!(counted.values().sum::<f64>(), 6_000.0);
}

//
#[test]
fn the_series_of_events_are_bounded() {
    let metrics = Metrics::new();
    let by_user = |rule: Rule| rule.with_label("user").with_max_series(20);
    let rules = [
        by_user(Rule::events().with_target("series_limits").with_counter("events_total")),
        by_user(Rule::prefixed_fields()),
    ];
    metrics.with(rules, || {
        for user in 0..1_000 {
            info!(user, gauge.load = user);
        }
    });
    for name in ["events", "load"] {
        assert_eq!(metrics.values(name).len(), 20, "{name}");
    }
    assert_eq!(metrics.values("events")["otel.metric.overflow=true,user=other"], 1_000.0 - 19.0);
}
