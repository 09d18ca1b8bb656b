//! opentelemetry-prometheus 0.33 with the encoders of prometheus 0.14, as its documentation says.

use crate::{Answer, Content, Subject, otel, prometheus::encoded};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder, ProtobufEncoder, Registry, TextEncoder};

pub fn text(series: usize) -> Subject {
    let scrape = scrape(series, TextEncoder::new());
    Subject::new("opentelemetry-prometheus 0.33 + `TextEncoder`", Content::Text, scrape)
}

pub fn protobuf(series: usize) -> Subject {
    let scrape = scrape(series, ProtobufEncoder::new());
    Subject::new("opentelemetry-prometheus 0.33 + `ProtobufEncoder`", Content::Protobuf, scrape)
}

fn scrape(series: usize, encoder: impl Encoder) -> impl FnMut(&mut Answer<'_>) {
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
    let mut scrape = encoded(registry, encoder);
    move |answer| {
        let _alive = &provider;
        scrape(answer);
    }
}
