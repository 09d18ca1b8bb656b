//! A service whose metrics are scraped by a Prometheus and pushed to an OpenTelemetry collector:
//!
//! ```sh
//! cargo run -p asdlc-exporter --example otlp_push --features serve
//! ```
//!
//! It serves scrapes on `LISTEN_ADDR` (default 127.0.0.1:9464). It pushes over gRPC to
//! `OTEL_EXPORTER_OTLP_ENDPOINT` (default port 4317 of this machine) every `OTEL_METRIC_EXPORT_INTERVAL`
//! milliseconds (default 60000), and once more at Ctrl-C.

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
    // The runtime drives its connection.
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
    // The last push. It blocks until the runtime has sent it, so it must not run on a thread of the runtime.
    tokio::task::spawn_blocking(move || exporter.shutdown()).await??;
    Ok(())
}
