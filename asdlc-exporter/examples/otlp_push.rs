//! The same metrics pulled by a Prometheus and pushed to an OpenTelemetry collector:
//!
//! ```sh
//! cargo run -p asdlc-exporter --example otlp_push --features serve
//! ```
//!
//! It answers scrapes on `LISTEN_ADDR` (127.0.0.1:9464) and pushes, over gRPC, to
//! `OTEL_EXPORTER_OTLP_ENDPOINT` (port 4317 of this machine) every `OTEL_METRIC_EXPORT_INTERVAL`
//! milliseconds (60000), and once more when it is told to stop with Ctrl-C.

#![expect(clippy::print_stdout, reason = "a program's result")]

use asdlc_exporter::{Exporter, serve::Server};
use opentelemetry::KeyValue;
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::metrics::PeriodicReader;
use std::{
    env::{self, VarError},
    error::Error,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // In a runtime, for that is where its connection lives.
    let otlp = MetricExporter::builder().with_tonic().build()?;
    let exporter = Exporter::builder("shop")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_constant_label("environment", "example")
        .with_reader(PeriodicReader::builder(otlp).build())
        .build()?;

    let orders = exporter.meter().u64_counter("orders").with_description("Orders taken.").build();
    orders.add(2, &[KeyValue::new("paid", true)]);

    let address = match env::var("LISTEN_ADDR") {
        Ok(address) => address,
        Err(VarError::NotPresent) => "127.0.0.1:9464".to_owned(),
        Err(error) => return Err(format!("LISTEN_ADDR: {error}").into()),
    };
    let listening = Server::builder()
        .with_address(address.parse()?)
        .with_route("/metrics", exporter.scrape_service())
        .start()
        .await?;
    println!("listening on http://{}", listening.address());

    tokio::signal::ctrl_c().await?;
    listening.stop().await;
    // The last push. It waits for the runtime, so it must not stand in its way.
    tokio::task::spawn_blocking(move || exporter.shutdown()).await??;
    Ok(())
}
