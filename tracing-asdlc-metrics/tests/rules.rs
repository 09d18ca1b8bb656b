//! Rules that are refused: each message names the rule, what is wrong with it, and what is allowed.

mod support;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use support::{Metrics, both};
use tracing_asdlc_metrics::{Clock, Label, Outcome, Rule, SpanMetricsLayer};
use tracing_subscriber::layer::SubscriberExt;

// Trap 14
#[test]
fn a_rule_that_gives_nothing_is_refused() {
    refused(
        [Rule::span("job")],
        "rule 1, span \"job\": gives no metric; add `with_counter` or `with_duration`",
    );
    refused(
        [counter("")],
        "rule 1, span \"\": the span's name is empty; give the name of the spans to count",
    );
    refused(
        [counter("job").with_boundaries([1.0])],
        "rule 1, span \"job\": has boundaries but no histogram; add `with_duration`",
    );
}

// Trap 14
#[test]
fn a_method_that_is_for_another_kind_of_rule_is_refused() {
    let spans = "`with_counter`, `with_opened_counter`, `with_in_flight` and `with_duration`";
    let events = "`with_counter`, `with_sum`, `with_histogram` and `with_gauge`";
    for (rule, message) in [
        (
            counter("job").with_gauge("size", "size"),
            format!("rule 1, span \"job\": `with_gauge` is nothing for spans; their metrics are {spans}"),
        ),
        (
            Rule::event("hit").with_in_flight("hits"),
            format!(
                "rule 1, event \"hit\": `with_in_flight` is nothing for events; their metrics are {events}"
            ),
        ),
        (
            Rule::events().with_target("cache"),
            "rule 1, events of target \"cache\": gives no metric; add `with_counter`, `with_sum`, `with_histogram` or \
             `with_gauge`"
                .to_owned(),
        ),
        (
            Rule::prefixed_fields().with_counter("total"),
            "rule 1, prefixed fields: `with_counter` is nothing for prefixed fields; their metrics are those that the \
             fields name"
                .to_owned(),
        ),
        (
            counter("job").with_clock(Clock::Busy),
            "rule 1, span \"job\": has a clock but no histogram; add `with_duration`".to_owned(),
        ),
        (
            Rule::span("job").with_in_flight("jobs").with_outcome(Outcome::label("status")),
            "rule 1, span \"job\": has an outcome, but nothing that is recorded at the close; add `with_counter` or \
             `with_duration`"
                .to_owned(),
        ),
        (
            Rule::event("hit").with_sum("hits", ""),
            "rule 1, event \"hit\": the name of the field for \"hits\" is empty; give the field's name".to_owned(),
        ),
        (
            Rule::event("hit").with_counter("hits").with_boundaries([1.0]),
            "rule 1, event \"hit\": has boundaries but no histogram; add `with_histogram`".to_owned(),
        ),
        (
            Rule::spans().with_target("").with_counter("jobs"),
            "rule 1, spans of target \"\": the target is empty; give a module's path".to_owned(),
        ),
        (
            Rule::event("").with_counter("jobs"),
            "rule 1, event \"\": the event's name is empty; give the name of the events to count".to_owned(),
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
        "rule 1, span \"job\": \"minutes\" is no unit of a duration; allowed are s, ms, us and ns",
    );
    refused(
        [Rule::event("hit").with_gauge("size", "size").with_unit("a b")],
        "rule 1, event \"hit\": \"a b\" is no unit; allowed are 1 to 63 visible ASCII characters",
    );
    refused(
        [counter("job").with_unit("s")],
        "rule 1, span \"job\": has a unit but no values in it; a count has none: add a duration, or the sum, histogram or \
         gauge of a field",
    );
    let in_ms = Rule::span("b").with_duration("d").with_unit("ms").with_boundaries(DEFAULTS);
    refused(
        [Rule::span("a").with_duration("d"), in_ms],
        "rule 2, span \"b\": \"d\" has another unit than in rule 1; a metric has one unit",
    );
}

// Trap 14
#[test]
fn a_bad_label_is_refused() {
    let label = |label| counter("job").with_label(label);
    for (rule, problem) in [
        (label(Label::field("")), "label \"\": its field's name is empty"),
        (
            label(Label::field("message").with_name("text")),
            "label \"text\": the field \"message\" is text for people, never a label; use a field of its own",
        ),
        (
            label(Label::field("http.method")),
            "\"http.method\" cannot name a label; allowed are ASCII letters, digits and '_', first no digit, and neither \
             `le`, `quantile` nor what begins with `__`; give another one with `with_name`",
        ),
        (
            label(Label::field("f").with_values([] as [&str; 0])),
            "label \"f\": `with_values` takes 1 to 1000 values",
        ),
        (
            label(Label::field("f").with_values(["a", "a"])),
            "label \"f\": `with_values` has a value twice",
        ),
        (
            label(Label::field("f").with_max_values(0)),
            "label \"f\": `with_max_values` allows 1 to 1000",
        ),
        (
            label(Label::field("f").with_max_bytes(129)),
            "label \"f\": `with_max_bytes` allows 1 to 128",
        ),
        (
            label(Label::field("f").with_max_bytes(2).with_values(["abc"])),
            "label \"f\": a value of `with_values` is longer than `with_max_bytes` allows (64 if not set)",
        ),
        (
            label(Label::field("f").with_values(["a"]).with_max_values(5)),
            "label \"f\": has both `with_values` and `with_max_values`; use one of them",
        ),
        (
            counter("job").with_label("a").with_label(Label::field("b").with_name("a")),
            "label \"a\": is there twice; each label has a name of its own",
        ),
        (
            counter("job").with_label("status").with_outcome(Outcome::label("status")),
            "label \"status\": is there twice; each label has a name of its own",
        ),
        (
            counter("job").with_outcome(Outcome::label("o").with_failed("success")),
            "label \"o\": success and failure have one name; give them different ones",
        ),
        (counter("job").with_max_series(7), "7 series are out of range; allowed are 8 to 1800"),
    ] {
        refused([rule], &format!("rule 1, span \"job\": {problem}"));
    }
    for name in ["le", "quantile", "__name__", "1st", "a-b", "ä"] {
        let label = Label::field("field").with_name(name);
        let meter = SdkMeterProvider::default().meter("test");
        let error = SpanMetricsLayer::new(&meter, [counter("job").with_label(label)]).unwrap_err();
        assert!(error.to_string().contains(&format!("{name:?} cannot name a label")), "{error}");
    }
}

// Trap 14
#[test]
fn more_than_a_span_has_room_for_is_refused() {
    let labels = |rule: Rule, fields: &[&'static str]| {
        fields.iter().fold(rule, |rule, field| rule.with_label(*field))
    };
    let nine = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    refused([labels(counter("job"), &nine)], "rule 1, span \"job\": has 9 labels; allowed are 8");
    let other = labels(Rule::span("job").with_counter("other"), &["i", "j", "k"]);
    let third = Rule::spans().with_counter("third").with_outcome(Outcome::label("l"));
    refused(
        [labels(counter("job"), &nine[..8]), other, third],
        "rule 1, span \"job\": this rule, others for the same and the inherited labels read 13 fields of one span or \
         event; allowed are 12 (an outcome reads 2, labels that are alike count once)",
    );
    // Those of spans that never meet do not count.
    let metrics = Metrics::new();
    let apart = ["w", "x", "y", "z"].map(|span| labels(counter(span), &nine[..8]));
    metrics.layer(apart);
    let in_flight = ["a", "b", "c"].map(|name| Rule::span("job").with_in_flight(name));
    refused(
        in_flight,
        "rule 1, span \"job\": more than two rules give an in-flight gauge for this span; allowed are 2",
    );
}

// Trap 14
#[test]
fn rules_that_matched_nothing_are_listed() {
    let metrics = Metrics::new();
    let event = Rule::event("e").with_counter("e_total");
    let layer = metrics.layer([both("job"), counter("jbo"), event, Rule::prefixed_fields()]);
    let coverage = layer.coverage();
    assert_eq!(coverage.unmatched().len(), 4);
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        drop(tracing::info_span!("job"));
        drop(tracing::debug_span!("jbo"));
        tracing::info!(gauge_without_prefix = 1);
    });
    assert_eq!(
        coverage.unmatched(),
        ["rule 2, span \"jbo\"", "rule 3, event \"e\"", "rule 4, prefixed fields"]
    );
}

// Trap 14
#[test]
fn a_bad_metric_name_is_refused() {
    let too_long = "a".repeat(256);
    for name in
        ["", "1st", "_jobs", "jobs total", "jobs{}", "jöbs", "jobs_", "jobs.", "jobs\n", &too_long]
    {
        let allowed = "allowed are 1 to 255 characters: first an ASCII letter, then ASCII letters, digits, '_', '.', '-' \
                       and '/', at last a letter or a digit";
        refused(
            [both("fine"), Rule::span("job").with_counter(name.to_owned())],
            &format!("rule 2, span \"job\": {name:?} cannot name a counter; {allowed}"),
        );
        refused(
            [Rule::span("job").with_duration(name.to_owned())],
            &format!("rule 1, span \"job\": {name:?} cannot name a histogram; {allowed}"),
        );
    }
    let metrics = Metrics::new();
    let longest = "a".repeat(255);
    for name in ["j", "jobs_total", "jobs.total", "http/jobs-1", &longest] {
        metrics.layer([Rule::span("job").with_counter(name.to_owned())]);
        assert_eq!(metrics.count(name), 0, "the SDK took it");
    }
}

// Trap 14
#[test]
fn bad_boundaries_are_refused() {
    for (boundaries, problem) in [
        (&[][..], "the list of boundaries is empty; give at least one, in the unit of the values"),
        (&[1.0, f64::NAN], "NaN is no boundary; allowed are finite numbers above 0"),
        (&[1.0, f64::INFINITY], "inf is no boundary; allowed are finite numbers above 0"),
        (&[0.0, 1.0], "0 is no boundary; allowed are finite numbers above 0"),
        (&[-1.0], "-1 is no boundary; allowed are finite numbers above 0"),
        (&[0.1, 0.1], "boundary 0.1 follows 0.1; each must be greater than the one before"),
        (&[0.1, 1.0, 0.5], "boundary 0.5 follows 1; each must be greater than the one before"),
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
        "rule 2, span \"other\": \"jobs_total\" is both a counter and a histogram (see rule 1); a name has one kind",
    );
    refused(
        [Rule::span("job").with_counter("jobs").with_duration("jobs")],
        "rule 1, span \"job\": \"jobs\" is both a counter and a histogram (see rule 1); a name has one kind",
    );
    refused(
        [
            Rule::span("job").with_duration("seconds"),
            Rule::span("other").with_duration("seconds").with_boundaries([1.0]),
        ],
        "rule 2, span \"other\": \"seconds\" has other boundaries than in rule 1; a histogram has one list of boundaries",
    );
    refused(
        [counter("job"), Rule::span("other").with_counter("Jobs.total")],
        "rule 2, span \"other\": \"Jobs.total\" and \"jobs_total\" of rule 1 are one name to a metrics backend; spell it in \
         one way",
    );
    refused(
        [counter("other"), counter("job"), counter("job")],
        "rule 3, span \"job\": rule 2 already gives \"jobs_total\" for this span; each span would be recorded twice",
    );
}

#[test]
fn the_error_tells_the_rules_place() {
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
