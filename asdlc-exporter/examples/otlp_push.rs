//! A service whose metrics are scraped by a Prometheus and pushed to an OpenTelemetry collector:
//!
//! ```sh
//! cargo run -p asdlc-exporter --example otlp_push --features serve
//! ```
//!
//! It serves scrapes on `LISTEN_ADDR`, or else on `OTEL_EXPORTER_PROMETHEUS_HOST` and
//! `OTEL_EXPORTER_PROMETHEUS_PORT` (default 127.0.0.1:9464). It pushes over gRPC to
//! `OTEL_EXPORTER_OTLP_ENDPOINT` (default port 4317 of this machine) every `OTEL_METRIC_EXPORT_INTERVAL`
//! milliseconds (default 60000), and once more at Ctrl-C. `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`
//! and `OTEL_SDK_DISABLED` work as OpenTelemetry specifies.

#![expect(clippy::print_stdout, reason = "a program's result")]

use asdlc_exporter::{Exporter, serve::Server};
use opentelemetry::KeyValue;
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::metrics::PeriodicReader;
use std::{
    env::{self, VarError},
    error::Error,
    pin::pin,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The runtime drives its connection.
    let otlp = MetricExporter::builder().with_tonic().build()?;
    let exporter = Exporter::builder_from_env("shop")?
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_constant_label("environment", "example")
        .with_reader(PeriodicReader::builder(otlp).build())
        .build()?;

    let orders = exporter.meter().u64_counter("orders").with_description("Orders taken.").build();
    orders.add(2, &[KeyValue::new("paid", true)]);

    let server = match env::var("LISTEN_ADDR") {
        Ok(address) => Server::builder().with_address(address.parse()?),
        Err(VarError::NotPresent) => Server::builder_from_env()?,
        Err(error) => return Err(format!("LISTEN_ADDR: {error}").into()),
    };
    let listening = server.with_route("/metrics", exporter.scrape_service()).start().await?;
    // The first poll installs the handler of Ctrl-C. Whoever reads the line below may stop the program.
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    tokio::select! {
        biased;
        result = &mut interrupted => return Ok(result?),
        () = async {} => {}
    }
    println!("listening on http://{}", listening.address());

    interrupted.await?;
    listening.stop().await;
    // The last push. It blocks until the runtime has sent it, so it must not run on a thread of the runtime.
    tokio::task::spawn_blocking(move || exporter.shutdown()).await??;
    Ok(())
}
