//! `before.rs` with our reader and our layers: six more lines.

use std::error::Error;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue, global};
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info_span;
use tracing_subscriber::{filter::filter_fn, prelude::*};

#[rustfmt::skip]
#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let resource = Resource::builder().build();
    let prometheus = asdlc_exporter::PrometheusReader::builder().build()?;
    let provider = SdkMeterProvider::builder()
        .with_resource(resource.clone())
        .with_view(renamed)
        .with_view(without_customer)
        .with_reader(prometheus.clone())
        .with_periodic_exporter(MetricExporter::builder().with_tonic().build()?)
        .build();
    global::set_meter_provider(provider.clone());
    let tracer_provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(SpanExporter::builder().with_tonic().build()?)
        .build();
    let traces = tracing_opentelemetry::layer()
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_tracer(tracer_provider.tracer("shop"))
        // The exporters' own connections make spans too.
        .with_filter(filter_fn(|metadata| metadata.name() == "checkout"));
    let spans = tracing_asdlc_metrics::SpanMetricsLayer::new(&provider, [tracing_asdlc_metrics::Rule::span("checkout").with_counter("checkouts")])?;
    tracing_subscriber::registry()
        .with(traces)
        .with(spans)
        .init();

    let app = Router::new()
        .route("/checkout/{payment}", get(checkout))
        .layer(tower_asdlc_metrics::HttpMetricsLayer::new(&provider))
        .route_service("/metrics", prometheus.scrape_service());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut terminated = signal(SignalKind::terminate())?;
    let stop = async move { terminated.recv().await.unwrap_or_default() };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    tokio::task::spawn_blocking(move || {
        tracer_provider.shutdown()?;
        provider.shutdown()
    })
    .await??;
    Ok(())
}

async fn checkout(Path(payment): Path<String>) {
    let _entered = info_span!(target: "shop", "checkout", payment).entered();
    let meter = global::meter("shop");
    let attributes = [KeyValue::new("payment", payment), KeyValue::new("customer", 4711)];
    meter.u64_counter("orders").build().add(1, &attributes);
    meter.f64_histogram("wait").with_unit("s").build().record(0.25, &[]);
}

fn renamed(instrument: &Instrument) -> Option<Stream> {
    let boundaries = vec![0.1, 1.0];
    let buckets = Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: true };
    let stream = || Stream::builder().with_name("queue_wait").with_aggregation(buckets);
    (instrument.name() == "wait").then(|| stream().build().ok()).flatten()
}

fn without_customer(instrument: &Instrument) -> Option<Stream> {
    let stream = || Stream::builder().with_allowed_attribute_keys([Key::new("payment")]);
    (instrument.name() == "orders").then(|| stream().build().ok()).flatten()
}
