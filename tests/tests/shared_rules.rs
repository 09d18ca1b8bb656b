//! The three crates have one rule for label keys and one for boundaries, and refuse what breaks it with the same words. The tables
//! also have each difference between the crates.

use asdlc_exporter::Exporter;
use asdlc_exporter::redis::RedisMetrics;
use opentelemetry::metrics::{Meter, MeterProvider, noop::NoopMeterProvider};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer, HttpMetricsLayerBuilder};
use tracing_asdlc_metrics::{Label, Rule, SpanMetricsLayer};

const ALLOWED: &str = "";
const PATTERN: &str = "must match [a-zA-Z_][a-zA-Z0-9_]*";
const INTERNAL: &str = "must not start with __";
const LENGTH: &str = "must have at most 256 bytes";

// O-08
#[test]
fn the_crates_refuse_the_same_label_keys_with_the_same_words() {
    for (key, expected) in [
        ("a", ALLOWED),
        ("tenant_2", ALLOWED),
        ("_x", ALLOWED),
        ("a__b", ALLOWED),
        (&"k".repeat(256), ALLOWED),
        ("", PATTERN),
        ("9x", PATTERN),
        ("a-b", PATTERN),
        ("a.b", PATTERN),
        ("a:b", PATTERN),
        ("a b", PATTERN),
        ("a\n", PATTERN),
        ("Größe", PATTERN),
        (&"é".repeat(150), PATTERN),
        ("__name__", INTERNAL),
        ("__x", INTERNAL),
        (&"k".repeat(257), LENGTH),
        (&"k".repeat(300), LENGTH),
    ] {
        assert_eq!(problems_with_key(key), [expected; 3], "{key:?}");
    }
}

// O-08
#[test]
fn each_crate_reserves_the_keys_that_it_or_the_format_writes() {
    let tower = "must not be method, endpoint, status, error_type, grpc_status, service, environment, le or quantile";
    let tracing = "must not be le or quantile";
    let exporter = "must not be service, le or quantile";
    for (key, expected) in [
        ("le", [tower, tracing, exporter]),
        ("quantile", [tower, tracing, exporter]),
        // A recorded `service` is served as `exported_service`, so a rule for spans that have such a field may keep it.
        ("service", [tower, ALLOWED, exporter]),
        // A constant label of the exporter, if it is configured.
        ("environment", [tower, ALLOWED, ALLOWED]),
        // Labels of the HTTP metrics. `status` is the usual key of an outcome.
        ("status", [tower, ALLOWED, ALLOWED]),
        ("method", [tower, ALLOWED, ALLOWED]),
        ("endpoint", [tower, ALLOWED, ALLOWED]),
        ("error_type", [tower, ALLOWED, ALLOWED]),
        ("grpc_status", [tower, ALLOWED, ALLOWED]),
        // Labels of the HTTP metrics are lower snake case. The other crates accept the names of fields and of other systems.
        ("Tenant", ["must be lower case", ALLOWED, ALLOWED]),
    ] {
        assert_eq!(problems_with_key(key), expected, "{key:?}");
    }
}

// O-03
#[test]
fn the_crates_refuse_the_same_boundaries_with_the_same_words() {
    let empty = "must have at least one";
    let finite = "must be finite";
    let after_1 = "must be greater than the boundary before it, 1";
    let after_2 = "must be greater than the boundary before it, 2";
    for (boundaries, expected) in [
        (&[0.5, 1.0, 2.5][..], [ALLOWED; 4]),
        (&[f64::NAN], [finite; 4]),
        (&[1.0, f64::NAN], [finite; 4]),
        (&[f64::INFINITY], [finite; 4]),
        (&[f64::NEG_INFINITY, 1.0], [finite; 4]),
        (&[1.0, 1.0], [after_1; 4]),
        (&[2.0, 1.0], [after_2; 4]),
        (&[1.0, 2.0, 2.0], [after_2; 4]),
        // The HTTP duration without boundaries has one bucket, `+Inf`, which makes it a sum and a count.
        (&[], [ALLOWED, empty, empty, empty]),
        // Durations are not negative. The field of an event may be, and so may what a histogram in a configuration measures.
        (&[-1.0], ["must be 0 or more", "must be above 0", ALLOWED, ALLOWED]),
        (&[0.0, 1.0], [ALLOWED, "must be above 0", ALLOWED, ALLOWED]),
    ] {
        assert_eq!(problems_with_boundaries(boundaries), expected, "{boundaries:?}");
    }
}

/// What the Tower layer, the tracing layer and the exporter say is allowed instead of `key`, or [`ALLOWED`].
fn problems_with_key(key: &str) -> [String; 3] {
    let tower = |builder: HttpMetricsLayerBuilder| builder.with_label(key, ["v"], |_| None);
    let label = Label::field("field").with_name(key.to_owned());
    let exporter = Exporter::builder("test").with_constant_label(key, "v").build();
    [build_tower(tower), build_tracing(span().with_label(label)), exporter.map_err(text).map(drop)]
        .map(|built| {
            let Err(message) = built else { return ALLOWED.to_owned() };
            assert!(message.contains("invalid label key \""), "{message}");
            rule(&message)
        })
}

/// As [`problems_with_key`], for a histogram of the Tower layer, of a span, of an event and of the exporter.
fn problems_with_boundaries(boundaries: &[f64]) -> [String; 4] {
    let given = || boundaries.iter().copied();
    let event = Rule::event("event").with_histogram("sizes", "size");
    [
        build_tower(|builder| builder.with_boundaries(given())),
        build_tracing(span().with_boundaries(given())),
        build_tracing(event.with_boundaries(given())),
        RedisMetrics::with_boundaries(&meter(), boundaries).map_err(text).map(drop),
    ]
    .map(|built| {
        let Err(message) = built else { return ALLOWED.to_owned() };
        assert!(message.contains("invalid boundar"), "{message}");
        rule(&message)
    })
}

/// The part of an error that says what is allowed.
fn rule(message: &str) -> String {
    let message = message.trim_end_matches("; `with_name` sets another key");
    let (_, allowed) = message.rsplit_once(": ").expect("the error says what is allowed");
    allowed.to_owned()
}

fn span() -> Rule {
    Rule::span("job").with_duration("job_duration_seconds")
}

fn build_tower(
    configure: impl FnOnce(HttpMetricsLayerBuilder) -> HttpMetricsLayerBuilder,
) -> Result<(), String> {
    let builder = configure(HttpMetricsLayer::builder(FixedEndpoint("/")));
    builder.build(&meter()).map_err(text).map(drop)
}

fn build_tracing(rule: Rule) -> Result<(), String> {
    SpanMetricsLayer::new(&meter(), [rule]).map_err(text).map(drop)
}

fn meter() -> Meter {
    NoopMeterProvider::new().meter("test")
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn text(error: impl ToString) -> String {
    error.to_string()
}
