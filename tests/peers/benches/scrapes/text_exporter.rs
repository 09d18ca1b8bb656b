//! opentelemetry-prometheus-text-exporter 0.4, as its README says.

use crate::{Content, Subject, otel};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_prometheus_text_exporter::PrometheusExporter;
use opentelemetry_sdk::metrics::SdkMeterProvider;

pub fn text(series: usize) -> Subject {
    // Without what the others do not serve.
    let exporter = PrometheusExporter::builder().without_target_info().without_scope_info().build();
    let provider = SdkMeterProvider::builder()
        .with_reader(exporter.clone())
        .with_view(otel::limit(series))
        .build();
    otel::record(&provider.meter("bench"), series);
    let mut text = Vec::new();
    Subject::new("opentelemetry-prometheus-text-exporter 0.4", Content::Text, move |answer| {
        let _alive = &provider;
        text.clear();
        exporter.export(&mut text).expect("text");
        answer(&text);
    })
}
