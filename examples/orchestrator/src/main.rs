//! An axum service that takes tasks, with metrics of its requests, its tasks and its process at `/metrics`.
//!
//! ```sh
//! cargo run --release -p orchestrator
//! curl -d '{"kind":"word_count","input":"to be or not to be"}' -H 'content-type: application/json' \
//!     127.0.0.1:8080/api/v1/tasks
//! curl 127.0.0.1:8080/metrics
//! ```

mod api;
mod tasks;

use asdlc_exporter::{Exporter, process};
use axum::Router;
use std::error::Error;
use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use tower_asdlc_metrics::HttpMetricsLayer;
use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::{fmt, prelude::*};

/// An axum service that takes tasks and tells its metrics at /metrics.
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    /// HOST:PORT to listen on; port 0 is any free one
    #[arg(long, env, value_name = "LISTEN_ADDR", default_value = "127.0.0.1:8080", value_parser = support::host_port)]
    listen_addr: String,

    /// The `service` label of every metric
    #[arg(long, env, value_name = "NAME", default_value = "orchestrator")]
    service_name: String,

    /// The `environment` label of every metric; none when it is not set
    #[arg(long, env, value_name = "NAME")]
    environment: Option<String>,

    /// What to log, to standard error
    #[arg(long, env, value_name = "RUST_LOG", default_value = "info,opentelemetry=warn", value_parser = log_filter)]
    rust_log: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    support::exit(run(support::parse()).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let exporter = exporter(&args)?;
    subscribe(&exporter, &args.rust_log)?;

    let app = Router::new()
        .merge(api::routes(tasks::Tasks::default()))
        .layer(HttpMetricsLayer::new(&exporter.meter()))
        // After the layer: a scrape is not counted.
        .route_service("/metrics", exporter.scrape_service());

    let listener = support::listen(&args.listen_addr).await?;
    support::serve(listener, |listener, stop| {
        axum::serve(listener, app).with_graceful_shutdown(stop.requested()).into_future()
    })
    .await?;
    Ok(())
}

fn exporter(args: &Args) -> Result<Exporter, Box<dyn Error>> {
    let mut builder = Exporter::builder(&args.service_name)
        .with_namespace("asdlc")
        .with_version(env!("CARGO_PKG_VERSION"));
    // Set to nothing is not set.
    if let Some(environment) = args.environment.as_ref().filter(|name| !name.is_empty()) {
        builder = builder.with_constant_label("environment", environment);
    }
    let exporter = builder.build()?;
    process::register(&exporter.meter());
    Ok(exporter)
}

/// The log, and metrics of the spans around tasks. `RUST_LOG` filters the log alone.
fn subscribe(exporter: &Exporter, rust_log: &str) -> Result<(), Box<dyn Error>> {
    let log = EnvFilter::try_new(rust_log)?;
    let metrics = SpanMetricsLayer::new(
        &exporter.meter(),
        [Rule::span("task")
            .with_counter("tasks_processed_total")
            .with_duration("task_duration_seconds")],
    )?;
    tracing_subscriber::registry()
        .with(metrics)
        .with(fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal()).with_filter(log))
        .try_init()?;
    Ok(())
}

fn log_filter(directives: &str) -> Result<String, ParseError> {
    EnvFilter::try_new(directives).map(|_| directives.to_owned())
}
