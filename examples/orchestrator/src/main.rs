//! An axum service that takes tasks, with metrics of its requests, its tasks and its process at `/metrics`
//! and a dashboard of them at `/`.
//!
//! ```sh
//! cargo run --release -p orchestrator
//! curl -d '{"kind":"word_count","input":"to be or not to be"}' -H 'content-type: application/json' \
//!     127.0.0.1:8080/api/v1/tasks
//! curl 127.0.0.1:8080/metrics
//! ```

mod api;
mod dashboard;
mod tasks;

use asdlc_exporter::{Exporter, process};
use axum::Router;
use std::error::Error;
use std::process::ExitCode;
use tower_asdlc_metrics::HttpMetricsLayer;
use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
use tracing_subscriber::prelude::*;

/// An axum service that takes tasks and tells its metrics at /metrics.
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    service: support::ServiceArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    support::exit(run(support::parse("orchestrator", "127.0.0.1:8080")).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let exporter = exporter(&args)?;
    subscribe(&exporter, &args.service.rust_log)?;

    let app = Router::new()
        .merge(api::routes(tasks::Tasks::default()))
        .merge(dashboard::routes())
        .layer(HttpMetricsLayer::new(&exporter.meter()))
        // After the layer: a scrape is not counted.
        .route_service("/metrics", exporter.scrape_service());

    let listener = support::listen(&args.service.listen_addr).await?;
    support::serve(listener, |listener, stop| {
        axum::serve(listener, app).with_graceful_shutdown(stop.requested()).into_future()
    })
    .await?;
    Ok(())
}

fn exporter(args: &Args) -> Result<Exporter, Box<dyn Error>> {
    let exporter = Exporter::builder(&args.service.service_name)
        .with_namespace("asdlc")
        .with_constant_labels(args.service.environment())
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()?;
    process::register(&exporter.meter());
    Ok(exporter)
}

/// The log, and metrics of the spans around tasks. `RUST_LOG` filters the log alone.
fn subscribe(exporter: &Exporter, rust_log: &str) -> Result<(), Box<dyn Error>> {
    let metrics = SpanMetricsLayer::new(
        &exporter.meter(),
        [Rule::span("task")
            .with_counter("tasks_processed_total")
            .with_duration("task_duration_seconds")],
    )?;
    tracing_subscriber::registry().with(metrics).with(support::log(rust_log)?).try_init()?;
    Ok(())
}
