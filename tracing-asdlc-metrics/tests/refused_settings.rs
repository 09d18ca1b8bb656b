//! Settings that are refused: given twice, out of range, or with a default that does not fit.

mod support;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use support::Metrics;
use tracing::Level;
use tracing_asdlc_metrics::{Label, Outcome, Rule, SpanDuration, SpanMetricsLayer};

// F-24
#[test]
fn a_method_that_is_called_twice_is_refused() {
    let event = || Rule::event("e").with_counter("events_total");
    let job = || counter("job");
    let timed = || Rule::span("job").with_duration("seconds");
    let outcome = || Outcome::label("outcome");
    for (rule, method) in [
        (event().with_sum("a", "a").with_sum("b", "b"), "with_sum"),
        (event().with_counter("other_total"), "with_counter"),
        (job().with_counter("other_total"), "with_counter"),
        (event().with_histogram("a", "a").with_histogram("b", "b"), "with_histogram"),
        (event().with_gauge("a", "a").with_gauge("b", "b"), "with_gauge"),
        (job().with_opened_counter("a").with_opened_counter("b"), "with_opened_counter"),
        (job().with_in_flight("a").with_in_flight("b"), "with_in_flight"),
        (timed().with_duration("b"), "with_duration"),
        (
            timed().with_span_duration(SpanDuration::Busy).with_span_duration(SpanDuration::Busy),
            "with_span_duration",
        ),
        (timed().with_boundaries([1.0]).with_boundaries([2.0]), "with_boundaries"),
        (timed().with_unit("s").with_unit("ms"), "with_unit"),
        (job().with_outcome(outcome()).with_outcome(outcome()), "with_outcome"),
        (job().with_target("a").with_target("b"), "with_target"),
        (job().with_max_level(Level::INFO).with_max_level(Level::DEBUG), "with_max_level"),
        (job().with_max_series(10).with_max_series(20), "with_max_series"),
    ] {
        let error = error([rule]);
        let allowed = "must be called once; make a second rule for the other value";
        assert!(error.ends_with(&format!(": invalid second `{method}`: {allowed}")), "{error}");
    }
    let label = || Label::field("f");
    for (label, method) in [
        (label().with_name("a").with_name("b"), "with_name"),
        (label().with_values(["a"]).with_values(["b"]), "with_values"),
        (label().with_max_values(2).with_max_values(3), "with_max_values"),
        (label().with_max_bytes(2).with_max_bytes(3), "with_max_bytes"),
        (label().with_overflow_value("a").with_overflow_value("b"), "with_overflow_value"),
        (label().with_default("a").with_default("b"), "with_default"),
    ] {
        let error = error([counter("job").with_label(label)]);
        let message = format!(": invalid second `{method}`: must be called once");
        assert!(error.ends_with(&message), "{error}");
    }
    for (outcome, method) in [
        (outcome().with_field("a").with_field("b"), "with_field"),
        (outcome().with_success("a").with_success("b"), "with_success"),
        (outcome().with_failed("a").with_failed("b"), "with_failed"),
        (outcome().with_cancelled("a").with_cancelled("b"), "with_cancelled"),
        (outcome().with_panicked("a").with_panicked("b"), "with_panicked"),
        (outcome().with_unknown("a").with_unknown("b"), "with_unknown"),
        (outcome().with_max_level(Level::INFO).with_max_level(Level::INFO), "with_max_level"),
    ] {
        let error = error([counter("job").with_outcome(outcome)]);
        let message = format!(": invalid second `{method}`: must be called once");
        assert!(error.ends_with(&message), "{error}");
    }
    // Two rules, as the error says.
    let metrics = Metrics::new();
    let rules = ["a", "b"].map(|field| Rule::event("e").with_sum(format!("{field}_total"), field));
    metrics.with(rules, || tracing::event!(name: "e", Level::INFO, a = 1, b = 2));
    assert_eq!((metrics.count("a"), metrics.count("b")), (1, 2));
}

// F-25
#[test]
fn default_boundaries_are_for_seconds_only() {
    let rule = || Rule::span("job").with_duration("job_duration");
    for unit in ["ms", "us", "ns"] {
        refused(
            [rule().with_unit(unit)],
            "rule 1, span \"job\": missing boundaries: the default ones are for seconds; add `with_boundaries`, in the rule's unit",
        );
    }
    let event = || Rule::event("e").with_histogram("size", "size");
    let message = "rule 1, event \"e\": missing boundaries: the default ones are for seconds; add `with_boundaries`, or \
                   `with_unit(\"s\")` if the values are seconds";
    refused([event()], message);
    refused([event().with_unit("By")], message);
    refused(
        [Rule::prefixed_fields().with_unit("By")],
        "rule 1, prefixed fields: missing boundaries: the default ones are for seconds; add `with_boundaries`, in the rule's unit",
    );
    let metrics = Metrics::new();
    metrics.layer([
        rule().with_unit("s"),
        Rule::span("other").with_duration("other_duration").with_unit("ms").with_boundaries([5.0]),
        event().with_unit("s"),
        Rule::event("f").with_histogram("f_size", "size").with_boundaries([5.0]),
        Rule::event("g").with_gauge("g_size", "size").with_unit("By"),
    ]);
}

// F-25
#[test]
fn a_series_limit_must_be_in_the_documented_range_and_is_never_lowered() {
    let job = |series| counter("job").with_max_series(series);
    let metrics = Metrics::new();
    metrics.layer([job(8)]);
    metrics.layer([job(1_800)]);
    metrics.layer([job(10).with_outcome(Outcome::label("outcome"))]);
    let two =
        Outcome::label("o").with_cancelled("failed").with_panicked("failed").with_unknown("failed");
    metrics.layer([job(8).with_outcome(two)]);
    let message = |limit, least| {
        format!("rule 1, span \"job\": invalid series limit {limit}: must be {least} to 1800")
    };
    refused([job(7)], &message(7, 8));
    refused([job(1_801)], &message(1_801, 8));
    refused([job(9).with_outcome(Outcome::label("outcome"))], &message(9, 10));
    let shared = |series| [job(series), counter("other")];
    metrics.layer(shared(900));
    refused(
        shared(901),
        "rule 1, span \"job\": invalid series limit 901: must be at most 900, because 2 rules share the 1800 series of \
         \"jobs_total\"",
    );
    let many = |rules: usize| {
        (0..rules).map(|rule| Rule::span(format!("s{rule}")).with_counter("jobs_total"))
    };
    metrics.layer(many(225));
    refused(
        many(226),
        "rule 1, span \"s0\": invalid number of rules for \"jobs_total\", 226: must be at most 225, because this rule needs 8 \
         of its 1800 series",
    );
    let fields =
        ["a", "b"].map(|target| Rule::prefixed_fields().with_target(target).with_max_series(901));
    refused(
        fields,
        "rule 1, prefixed fields of target \"a\": invalid series limit 901: must be at most 900, because 2 rules \
         share the 1800 series of a metric of prefixed fields",
    );
}

fn counter(span: &'static str) -> Rule {
    Rule::span(span).with_counter("jobs_total")
}

fn error(rules: impl IntoIterator<Item = Rule>) -> String {
    let meter = SdkMeterProvider::default().meter("test");
    SpanMetricsLayer::new(&meter, rules).expect_err("an error").to_string()
}

fn refused(rules: impl IntoIterator<Item = Rule>, message: &str) {
    let meter = SdkMeterProvider::default().meter("test");
    let error = SpanMetricsLayer::new(&meter, rules).expect_err(message);
    assert_eq!(error.to_string(), message);
}
