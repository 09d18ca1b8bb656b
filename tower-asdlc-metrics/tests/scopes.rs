//! The scope of what a layer records.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::Reader;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{BuildError, FixedEndpoint, HttpMetricsLayer, SCHEMA_URL};

const OWN: [Option<&str>; 3] =
    [Some("tower-asdlc-metrics"), Some(env!("CARGO_PKG_VERSION")), Some(SCHEMA_URL)];

/// Sends a request through a layer, and returns name, version and schema URL of each scope that recorded.
fn scopes(
    build: impl FnOnce(&SdkMeterProvider) -> Result<HttpMetricsLayer, BuildError>,
) -> Vec<[Option<String>; 3]> {
    let reader = Reader(Arc::new(ManualReader::default()));
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    let respond =
        |_: http::Request<()>| ready(Ok::<_, Infallible>(http::Response::new(String::new())));
    let mut service = build(&provider).unwrap().layer(service_fn(respond));
    let future = service.call(http::Request::new(()));
    assert!(pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    let mut collected = ResourceMetrics::default();
    reader.collect(&mut collected).unwrap();
    let scopes =
        collected.scope_metrics().map(opentelemetry_sdk::metrics::data::ScopeMetrics::scope);
    let text = |text: Option<&str>| text.map(str::to_owned);
    scopes
        .map(|scope| [text(Some(scope.name())), text(scope.version()), text(scope.schema_url())])
        .collect()
}

fn layer() -> tower_asdlc_metrics::HttpMetricsLayerBuilder {
    HttpMetricsLayer::builder(FixedEndpoint("/x"))
}

//
#[test]
fn given_a_provider_a_layer_records_in_the_scope_of_its_crate() {
    let own = [OWN.map(|text| text.map(str::to_owned))];
    assert_eq!(scopes(|provider| layer().build(provider)), own);
    assert_eq!(scopes(|provider| layer().build(provider as &dyn MeterProvider)), own);
    let shared = scopes(|provider| {
        let global: Arc<dyn MeterProvider + Send + Sync> = Arc::new(provider.clone());
        layer().build(&global)
    });
    assert_eq!(shared, own);
    // Layers of one provider share their series.
    let twice = scopes(|provider| layer().build(provider).and_then(|_| layer().build(provider)));
    assert_eq!(twice, own);
}

//
#[test]
fn given_a_meter_a_layer_records_in_the_scope_of_the_meter() {
    let meter = |provider: &SdkMeterProvider| -> Meter { provider.meter("shop") };
    let expected = [Some("shop".to_owned()), None, None];
    assert_eq!(scopes(|provider| layer().build(&meter(provider))), [expected]);
}
