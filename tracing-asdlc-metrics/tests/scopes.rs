//! The scope of what a layer records.

mod support;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use std::sync::Arc;
use tracing::info_span;
use tracing::subscriber::with_default;
use tracing_asdlc_metrics::{BuildError, Rule, SCHEMA_URL, SpanMetricsLayer};
use tracing_subscriber::prelude::*;

/// Closes a span that a layer measures, and returns name, version and schema URL of each scope that recorded.
fn scopes(
    build: impl FnOnce(&SdkMeterProvider, [Rule; 1]) -> Result<SpanMetricsLayer, BuildError>,
) -> Vec<[Option<String>; 3]> {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    let layer = build(&provider, [Rule::span("job").with_counter("jobs")]).expect("a valid rule");
    with_default(tracing_subscriber::registry().with(layer), || drop(info_span!("job")));
    provider.force_flush().expect("a collection");
    let collected = exporter.get_finished_metrics().expect("what was collected");
    let scopes = collected.iter().flat_map(ResourceMetrics::scope_metrics).map(ScopeMetrics::scope);
    let text = |text: Option<&str>| text.map(str::to_owned);
    scopes
        .map(|scope| [text(Some(scope.name())), text(scope.version()), text(scope.schema_url())])
        .collect()
}

//
#[test]
fn given_a_provider_a_layer_records_in_the_scope_of_its_crate() {
    let own = [Some("tracing-asdlc-metrics"), Some(env!("CARGO_PKG_VERSION")), Some(SCHEMA_URL)];
    let own = [own.map(|text| text.map(str::to_owned))];
    assert_eq!(scopes(SpanMetricsLayer::new), own);
    let dynamic =
        scopes(|provider, rules| SpanMetricsLayer::new(provider as &dyn MeterProvider, rules));
    assert_eq!(dynamic, own);
    let shared = scopes(|provider, rules| {
        let global: Arc<dyn MeterProvider + Send + Sync> = Arc::new(provider.clone());
        SpanMetricsLayer::new(&global, rules)
    });
    assert_eq!(shared, own);
}

//
#[test]
fn given_a_meter_a_layer_records_in_the_scope_of_the_meter() {
    let found = scopes(|provider, rules| SpanMetricsLayer::new(&provider.meter("shop"), rules));
    assert_eq!(found, [[Some("shop".to_owned()), None, None]]);
}
