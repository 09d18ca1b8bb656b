//! "Instrumentation Scope".

use super::{Result, Served};
use asdlc_exporter::{PrometheusReader, ScopeLabels};
use opentelemetry::{InstrumentationScope, KeyValue, metrics::MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;

fn scope(name: &'static str, attributes: &[(&'static str, &'static str)]) -> InstrumentationScope {
    InstrumentationScope::builder(name)
        .with_version("1.2.3")
        .with_schema_url("https://example.com/1.0")
        .with_attributes(attributes.iter().map(|(key, value)| KeyValue::new(*key, *value)))
        .build()
}

fn served(labels: ScopeLabels, scopes: Vec<InstrumentationScope>) -> Result<Served> {
    let reader = PrometheusReader::builder().without_target_info().with_scope_labels(labels);
    Served::of(SdkMeterProvider::builder(), reader, |provider| {
        for scope in scopes {
            let meter = provider.meter_with_scope(scope);
            meter.u64_counter("orders").build().add(1, &[KeyValue::new("paid", true)]);
            meter.f64_histogram("wait").with_boundaries(vec![1.0]).build().record(0.5, &[]);
        }
    })
}

// C-21, C-22, C-79
#[test]
fn every_series_has_the_labels_of_its_scope() -> Result {
    // The reader of all other tests has the default, too.
    let default = PrometheusReader::builder().without_target_info();
    let served = Served::of(SdkMeterProvider::builder(), default, |provider| {
        for name in ["a", "b"] {
            let meter = provider.meter_with_scope(scope(name, &[("team.name", "x"), ("1-2", "y")]));
            meter.u64_counter("orders").build().add(1, &[KeyValue::new("paid", true)]);
            meter.f64_histogram("wait").with_boundaries(vec![1.0]).build().record(0.5, &[]);
        }
        provider.meter("plain").u64_counter("orders").build().add(1, &[]);
    })?;
    for name in ["a", "b"] {
        let of_scope: Vec<_> = served
            .samples
            .iter()
            .filter(|sample| sample.label("otel_scope_name") == Some(name))
            .collect();
        assert_eq!(of_scope.len(), 5, "a counter, two buckets, sum and count: {}", served.text);
        for sample in of_scope {
            assert_eq!(sample.label("otel_scope_version"), Some("1.2.3"));
            assert_eq!(sample.label("otel_scope_schema_url"), Some("https://example.com/1.0"));
            assert_eq!(sample.label("otel_scope_team_name"), Some("x"));
            assert_eq!(sample.label("otel_scope_1_2"), Some("y"));
        }
    }
    assert!(served.has("orders_total{otel_scope_name=\"plain\"} 1"), "{}", served.text);
    assert_eq!(served.samples.len(), 11, "{}", served.text);
    Ok(())
}

// C-23
#[test]
fn scope_attributes_never_replace_name_version_and_schema_url() -> Result {
    let attributes = [
        ("name", "no"),
        ("version", "no"),
        ("schema_url", "no"),
        ("schema.url", "no"),
        ("schema-url", "no"),
        ("other", "yes"),
    ];
    let served = served(ScopeLabels::ALL, vec![scope("a", &attributes)])?;
    for sample in &served.samples {
        assert_eq!(sample.label("otel_scope_name"), Some("a"));
        assert_eq!(sample.label("otel_scope_version"), Some("1.2.3"));
        assert_eq!(sample.label("otel_scope_schema_url"), Some("https://example.com/1.0"));
        assert_eq!(sample.label("otel_scope_other"), Some("yes"));
    }
    assert!(!served.text.contains("no"), "{}", served.text);
    Ok(())
}

// C-79
#[test]
fn without_scope_labels_series_of_two_scopes_are_merged() -> Result {
    let served = served(ScopeLabels::NONE, vec![scope("a", &[]), scope("b", &[])])?;
    assert!(served.has("orders_total{paid=\"true\"} 2"), "{}", served.text);
    assert!(served.has("wait_count 2"), "{}", served.text);
    Ok(())
}
