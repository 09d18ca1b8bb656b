//! Rules from configuration.

mod support;

use support::{Metrics, series};
use tracing::{Level, info_span};
use tracing_asdlc_metrics::{Label, Outcome, Rule, RuleConfig, SpanDuration};

#[test]
fn every_key_is_the_method_with_its_name() {
    same(
        r#"{ "span": "s", "target": "t", "max_level": "debug", "counter": "c", "opened_counter": "o",
             "in_flight": "i", "duration": "d", "span_duration": "until_last_exit", "unit": "ms", "boundaries": [1, 2.5],
             "labels": ["a", { "field": "f", "name": "n", "values": ["x"], "max_bytes": 9, "overflow_value": "?",
                               "default": "-", "inherited": true }, { "field": "g", "max_values": 5 }],
             "outcome": { "label": "l", "field": "of", "success": "s", "failed": "f", "cancelled": "c",
                          "panicked": "p", "unknown": "u", "max_level": "warn" },
             "max_series": 50 }"#,
        &Rule::span("s")
            .with_target("t")
            .with_max_level(Level::DEBUG)
            .with_counter("c")
            .with_opened_counter("o")
            .with_in_flight("i")
            .with_duration("d")
            .with_span_duration(SpanDuration::UntilLastExit)
            .with_unit("ms")
            .with_boundaries([1.0, 2.5])
            .with_label("a")
            .with_label(
                Label::field("f")
                    .with_name("n")
                    .with_values(["x"])
                    .with_max_bytes(9)
                    .with_overflow_value("?")
                    .with_default("-")
                    .with_inheritance(),
            )
            .with_label(Label::field("g").with_max_values(5))
            .with_outcome(
                Outcome::label("l")
                    .with_field("of")
                    .with_success("s")
                    .with_failed("f")
                    .with_cancelled("c")
                    .with_panicked("p")
                    .with_unknown("u")
                    .with_max_level(Level::WARN),
            )
            .with_max_series(50),
    );
    same(
        r#"{ "event": "e", "counter": "c", "sum": { "name": "s", "field": "a" },
             "histogram": { "name": "h", "field": "b" }, "gauge": { "name": "g", "field": "c" } }"#,
        &Rule::event("e")
            .with_counter("c")
            .with_sum("s", "a")
            .with_histogram("h", "b")
            .with_gauge("g", "c"),
    );
    same(
        r#"{ "source": "spans", "span_duration": "busy" }"#,
        &Rule::spans().with_span_duration(SpanDuration::Busy),
    );
    same(
        r#"{ "source": "events", "span_duration": "until_close" }"#,
        &Rule::events().with_span_duration(SpanDuration::UntilClose),
    );
    same(r#"{ "source": "prefixed_fields" }"#, &Rule::prefixed_fields());
    same(
        r#"{ "span": "s", "outcome": "status" }"#,
        &Rule::span("s").with_outcome(Outcome::label("status")),
    );
}

#[test]
fn an_unknown_key_or_value_is_refused_and_named() {
    for (text, named) in [
        (r#"{ "span": "s", "countr": "c" }"#, "unknown field `countr`"),
        (r#"{ "span": "s", "labels": [{ "field": "f", "vals": [] }] }"#, "unknown field `vals`"),
        (r#"{ "span": "s", "outcome": { "label": "l", "ok": "o" } }"#, "unknown field `ok`"),
        (r#"{ "event": "e", "sum": { "name": "n", "of": "f" } }"#, "unknown field `of`"),
        (r#"{ "span": "s", "labels": [{ "name": "n" }] }"#, "missing field `field`"),
        (r#"{ "span": "s", "labels": [1] }"#, "expected a name or a map"),
        (r#"{ "span": "s", "span_duration": "wall" }"#, "unknown variant `wall`"),
        (r#"{ "source": "logs" }"#, "unknown variant `logs`"),
        // F-24, a neighbour
        (r#"{ "span": "s", "counter": "a", "counter": "b" }"#, "duplicate field `counter`"),
        (
            r#"{ "span": "s", "outcome": { "label": "l", "max_level": "loud" } }"#,
            "invalid max_level \"loud\": must be error, warn, info, debug or trace",
        ),
        (
            r#"{ "span": "s", "max_level": "loud" }"#,
            "invalid max_level \"loud\": must be error, warn, info, debug or trace",
        ),
        (r#"{ "counter": "c" }"#, "must have exactly one of the keys `span`, `event` and `source`"),
        (r#"{ "span": "s", "event": "e" }"#, "must have exactly one of the keys"),
    ] {
        let error = serde_json::from_str::<RuleConfig>(text).expect_err(text).to_string();
        assert!(error.contains(named), "{text}: {error}");
    }
}

#[test]
fn a_rule_from_configuration_records() {
    let text = r#"[{ "span": "job", "counter": "jobs_total", "labels": ["kind"] }]"#;
    let rules: Vec<RuleConfig> = serde_json::from_str(text).unwrap();
    let metrics = Metrics::new();
    metrics.with(rules.into_iter().map(Rule::from), || drop(info_span!("job", kind = "a")));
    assert_eq!(metrics.values("jobs"), series([("kind=a", 1)]));
}

fn same(text: &str, rule: &Rule) {
    let config: RuleConfig = serde_json::from_str(text).expect(text);
    assert_eq!(Rule::from(config), *rule);
}
