//! Rules that are refused: each message names the rule, what is wrong with it, and what is allowed.

mod support;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use support::{Metrics, both};
use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};

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
        (&[][..], "the list of boundaries is empty; give at least one, in seconds"),
        (&[1.0, f64::NAN], "NaN is no boundary; allowed are finite seconds above 0"),
        (&[1.0, f64::INFINITY], "inf is no boundary; allowed are finite seconds above 0"),
        (&[0.0, 1.0], "0 is no boundary; allowed are finite seconds above 0"),
        (&[-1.0], "-1 is no boundary; allowed are finite seconds above 0"),
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
