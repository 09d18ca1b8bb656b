//! Rules that are refused: each message names the rule, what is invalid, and what is allowed.

mod support;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use support::{Metrics, both};
use tracing_asdlc_metrics::{Label, Outcome, Rule, SpanDuration, SpanMetricsLayer};

// Trap 14
#[test]
fn a_rule_without_a_metric_is_refused() {
    refused(
        [Rule::span("job")],
        "rule 1, span \"job\": missing metric: add `with_counter` or `with_duration`",
    );
    refused([counter("")], "rule 1, span \"\": invalid span name \"\": must not be empty");
    refused(
        [counter("job").with_boundaries([1.0])],
        "rule 1, span \"job\": missing histogram for the boundaries: add `with_duration`",
    );
}

// Trap 14
#[test]
fn a_method_of_another_kind_of_rule_is_refused() {
    let spans = "`with_counter`, `with_opened_counter`, `with_in_flight` and `with_duration`";
    let events = "`with_counter`, `with_sum`, `with_histogram` and `with_gauge`";
    for (rule, message) in [
        (
            counter("job").with_gauge("size", "size"),
            format!("rule 1, span \"job\": invalid method `with_gauge`: the metrics of spans are {spans}"),
        ),
        (
            Rule::event("hit").with_in_flight("hits"),
            format!(
                "rule 1, event \"hit\": invalid method `with_in_flight`: the metrics of events are {events}"
            ),
        ),
        (
            Rule::events().with_target("cache"),
            "rule 1, events of target \"cache\": missing metric: add `with_counter`, `with_sum`, `with_histogram` or \
             `with_gauge`"
                .to_owned(),
        ),
        (
            Rule::prefixed_fields().with_counter("total"),
            "rule 1, prefixed fields: invalid method `with_counter`: the fields name the metrics".to_owned(),
        ),
        (
            counter("job").with_span_duration(SpanDuration::Busy),
            "rule 1, span \"job\": missing histogram for `with_span_duration`: add `with_duration`".to_owned(),
        ),
        (
            Rule::span("job").with_in_flight("jobs").with_outcome(Outcome::label("status")),
            "rule 1, span \"job\": missing metric for the outcome: add `with_counter` or `with_duration`, which are \
             recorded at the close"
                .to_owned(),
        ),
        (
            Rule::event("hit").with_sum("hits", ""),
            "rule 1, event \"hit\": missing field for \"hits\": name the field that has the number".to_owned(),
        ),
        (
            Rule::event("hit").with_counter("hits").with_boundaries([1.0]),
            "rule 1, event \"hit\": missing histogram for the boundaries: add `with_histogram`".to_owned(),
        ),
        (
            Rule::spans().with_target("").with_counter("jobs"),
            "rule 1, spans of target \"\": invalid target \"\": must be the path of a module".to_owned(),
        ),
        (
            Rule::event("").with_counter("jobs"),
            "rule 1, event \"\": invalid event name \"\": must not be empty".to_owned(),
        ),
    ] {
        refused([rule], &message);
    }
}

// Trap 14
#[test]
fn a_bad_unit_is_refused() {
    refused(
        [both("job").with_unit("minutes")],
        "rule 1, span \"job\": invalid unit \"minutes\": must be s, ms, us or ns",
    );
    refused(
        [Rule::event("hit").with_gauge("size", "size").with_unit("a b")],
        "rule 1, event \"hit\": invalid unit \"a b\": must be 1 to 63 visible ASCII characters",
    );
    refused(
        [counter("job").with_unit("s")],
        "rule 1, span \"job\": missing metric for the unit: add a duration, or the sum, histogram or gauge of a field",
    );
    let in_ms = Rule::span("b").with_duration("d").with_unit("ms").with_boundaries(DEFAULTS);
    refused(
        [Rule::span("a").with_duration("d"), in_ms],
        "rule 2, span \"b\": invalid unit of \"d\": must be that of rule 1",
    );
}

// Trap 14
#[test]
fn a_bad_label_is_refused() {
    let label = |label| counter("job").with_label(label);
    for (rule, problem) in [
        (label(Label::field("")), "label \"\": missing field name: name the field of the label"),
        (
            label(Label::field("message").with_name("text")),
            "label \"text\": invalid field \"message\": its text is for people; use a field of its own for the label",
        ),
        (
            label(Label::field("http.method")),
            "invalid label key \"http.method\": must match [a-zA-Z_][a-zA-Z0-9_]*; `with_name` sets another key",
        ),
        (
            label(Label::field("f").with_values([] as [&str; 0])),
            "label \"f\": invalid number of values 0: must be 1 to 1000",
        ),
        (
            label(Label::field("f").with_values(["a", "a"])),
            "label \"f\": invalid value \"a\": must not be repeated",
        ),
        (
            label(Label::field("f").with_max_values(0)),
            "label \"f\": invalid number of values 0: must be 1 to 1000",
        ),
        (
            label(Label::field("f").with_max_bytes(129)),
            "label \"f\": invalid value length 129: must be 1 to 128 bytes",
        ),
        (
            label(Label::field("f").with_max_bytes(2).with_values(["abc"])),
            "label \"f\": invalid value \"abc\": must have at most 2 bytes; `with_max_bytes` changes that",
        ),
        (
            label(Label::field("f").with_values(["a"]).with_max_values(5)),
            "label \"f\": invalid `with_max_values`: must not be combined with `with_values`",
        ),
        (
            counter("job").with_label("a").with_label(Label::field("b").with_name("a")),
            "invalid label key \"a\": must not be used twice",
        ),
        (
            counter("job").with_label("status").with_outcome(Outcome::label("status")),
            "invalid label key \"status\": must not be used twice",
        ),
        (
            counter("job").with_outcome(Outcome::label("o").with_failed("success")),
            "label \"o\": invalid value \"success\" for failure: must differ from the value for success",
        ),
        (counter("job").with_max_series(7), "invalid series limit 7: must be 8 to 1800"),
    ] {
        refused([rule], &format!("rule 1, span \"job\": {problem}"));
    }
    let too_long = "a".repeat(257);
    for (key, allowed) in [
        ("le", "must not be le or quantile"),
        ("quantile", "must not be le or quantile"),
        ("__name__", "must not start with __"),
        ("1st", "must match [a-zA-Z_][a-zA-Z0-9_]*"),
        ("a-b", "must match [a-zA-Z_][a-zA-Z0-9_]*"),
        ("ä", "must match [a-zA-Z_][a-zA-Z0-9_]*"),
        (&too_long, "must have at most 256 bytes"),
    ] {
        let message = format!("rule 1, span \"job\": invalid label key {key:?}: {allowed}");
        let label = Label::field("field").with_name(key.to_owned());
        refused(
            [counter("job").with_label(label)],
            &format!("{message}; `with_name` sets another key"),
        );
        refused([counter("job").with_outcome(Outcome::label(key.to_owned()))], &message);
    }
}

// Trap 14
#[test]
fn more_labels_and_gauges_than_a_span_has_room_for_are_refused() {
    let labels = |rule: Rule, fields: &[&'static str]| {
        fields.iter().fold(rule, |rule, field| rule.with_label(*field))
    };
    let nine = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    refused(
        [labels(counter("job"), &nine)],
        "rule 1, span \"job\": invalid number of labels 9: must be at most 8",
    );
    let other = labels(Rule::span("job").with_counter("other"), &["i", "j", "k"]);
    let third = Rule::spans().with_counter("third").with_outcome(Outcome::label("l"));
    refused(
        [labels(counter("job"), &nine[..8]), other, third],
        "rule 1, span \"job\": invalid number of fields 13: the rules that match one span or event, and the inherited labels, \
         must read at most 12 fields (an outcome reads 2, equal labels count once)",
    );
    // The labels of rules that match different spans do not count together.
    let metrics = Metrics::new();
    let apart = ["w", "x", "y", "z"].map(|span| labels(counter(span), &nine[..8]));
    metrics.layer(apart);
    let in_flight = ["a", "b", "c"].map(|name| Rule::span("job").with_in_flight(name));
    refused(
        in_flight,
        "rule 1, span \"job\": invalid in-flight gauge: at most 2 rules that match one span must have one",
    );
}

// Trap 14
#[test]
fn a_bad_metric_name_is_refused() {
    let too_long = "a".repeat(257);
    for name in
        ["", "1st", "_jobs", "jobs total", "jobs{}", "jöbs", "jobs_", "jobs.", "jobs\n", &too_long]
    {
        let allowed = "must match [a-zA-Z][a-zA-Z0-9_./-]*, end with a letter or a digit, and have at most 255 \
                       characters";
        refused(
            [both("fine"), Rule::span("job").with_counter(name.to_owned())],
            &format!("rule 2, span \"job\": invalid counter name {name:?}: {allowed}"),
        );
        refused(
            [Rule::span("job").with_duration(name.to_owned())],
            &format!("rule 1, span \"job\": invalid histogram name {name:?}: {allowed}"),
        );
    }
    let metrics = Metrics::new();
    let longest = "a".repeat(255);
    for (name, instrument) in [
        ("j", "j"),
        ("jobs_total", "jobs"),
        ("tasks.total", "tasks"),
        ("http/jobs-1", "http/jobs-1"),
        (&longest, &longest),
    ] {
        metrics.layer([Rule::span("job").with_counter(name.to_owned())]);
        assert_eq!(metrics.count(instrument), 0, "the SDK accepts it");
    }
}

// Trap 14
#[test]
fn bad_boundaries_are_refused() {
    for (boundaries, problem) in [
        (&[][..], "invalid boundaries []: must have at least one"),
        (&[1.0, f64::NAN], "invalid boundary NaN: must be finite"),
        (&[1.0, f64::INFINITY], "invalid boundary inf: must be finite"),
        (&[0.0, 1.0], "invalid boundary 0: must be above 0"),
        (&[-1.0], "invalid boundary -1: must be above 0"),
        (&[0.1, 0.1], "invalid boundary 0.1: must be greater than the boundary before it, 0.1"),
        (&[0.1, 1.0, 0.5], "invalid boundary 0.5: must be greater than the boundary before it, 1"),
    ] {
        let rule = both("job").with_boundaries(boundaries.iter().copied());
        refused([rule], &format!("rule 1, span \"job\": {problem}"));
    }
}

// Trap 14
#[test]
fn a_name_with_two_meanings_is_refused() {
    refused(
        [counter("job"), Rule::span("other").with_duration("jobs_total")],
        "rule 2, span \"other\": invalid histogram name \"jobs_total\": rule 1 has a counter with this name",
    );
    refused(
        [Rule::span("job").with_counter("jobs").with_duration("jobs")],
        "rule 1, span \"job\": invalid histogram name \"jobs\": rule 1 has a counter with this name",
    );
    refused(
        [
            Rule::span("job").with_duration("seconds"),
            Rule::span("other").with_duration("seconds").with_boundaries([1.0]),
        ],
        "rule 2, span \"other\": invalid boundaries of \"seconds\": must be those of rule 1",
    );
    refused(
        [counter("job"), Rule::span("other").with_counter("Jobs.total")],
        "rule 2, span \"other\": invalid metric name \"Jobs.total\": must be \"jobs_total\" as in rule 1, because a metrics \
         backend does not distinguish them",
    );
    refused(
        [counter("other"), counter("job"), counter("job")],
        "rule 3, span \"job\": invalid metric name \"jobs_total\": rule 2 already records this metric for the same spans or events",
    );
}

#[test]
fn the_error_has_the_index_of_the_rule() {
    let meter = SdkMeterProvider::default().meter("test");
    let error = SpanMetricsLayer::new(&meter, [counter("job"), Rule::span("job")]).unwrap_err();
    assert_eq!(error.rule(), 1);
    let error: Box<dyn std::error::Error + Send + Sync> = error.into();
    assert!(error.source().is_none());
}

fn counter(span: &'static str) -> Rule {
    Rule::span(span).with_counter("jobs_total")
}

fn refused(rules: impl IntoIterator<Item = Rule>, message: &str) {
    let meter = SdkMeterProvider::default().meter("test");
    let error = SpanMetricsLayer::new(&meter, rules).expect_err(message);
    assert_eq!(error.to_string(), message);
}

const DEFAULTS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
