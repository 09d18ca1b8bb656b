//! opentelemetry-prometheus 0.33 with the text encoder of prometheus 0.14, as its documentation says.

use crate::{Subject, otel};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder, Registry, TextEncoder};

pub fn subject(series: usize) -> Subject {
    let registry = Registry::new();
    // Without what the others do not serve.
    let reader = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .without_target_info()
        .scope_info_enabled(false)
        .build();
    let provider = SdkMeterProvider::builder()
        .with_reader(reader.expect("a reader"))
        .with_view(otel::limit(series))
        .build();
    otel::record(&provider.meter("bench"), series);
    let mut text = Vec::new();
    Subject::new("opentelemetry-prometheus 0.33 + `TextEncoder`", move |answer| {
        let _alive = &provider;
        text.clear();
        TextEncoder::new().encode(&registry.gather(), &mut text).expect("text");
        answer(&text);
    })
}
