//! An axum service that accepts tasks. Metrics of its requests, tasks and process are at `/metrics`, a dashboard is at `/`.
//!
//! ```sh
//! cargo run -p orchestrator
//! curl -d '{"kind":"word_count","input":"to be or not to be"}' -H 'content-type: application/json' \
//!     127.0.0.1:8080/api/v1/tasks
//! curl -T Cargo.toml 127.0.0.1:8080/api/v1/tasks/1/artifact    # uploads this file as the artifact of task 1
//! curl 127.0.0.1:8080/api/v1/tasks/1/artifact
//! curl 127.0.0.1:8080/metrics
//! ```

mod api;
mod artifacts;
mod dashboard;
mod tasks;
#[cfg_attr(not(feature = "traces"), path = "no_traces.rs")]
mod traces;

use artifacts::{Artifacts, InFiles, OverHttp};
use asdlc_exporter::health::{Dependency, LivenessService, Readiness};
use asdlc_exporter::redis::{RedisMetrics, RedisProbe};
use asdlc_exporter::victoria_metrics::QueryProxy;
use asdlc_exporter::{Exporter, process};
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use tasks::{InProcess, InRedis, Tasks};
use tower_asdlc_metrics::HttpMetricsLayer;
use traces::Traces;
use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
use tracing_subscriber::prelude::*;

/// An axum service that accepts tasks. Its metrics are at /metrics.
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    service: support::ServiceArgs,

    #[command(flatten)]
    redis: support::RedisArgs,

    /// http://HOST:PORT of VictoriaMetrics, for the queries under /api/metrics
    #[arg(long, env, value_name = "VICTORIAMETRICS_URL", hide_env_values = true)]
    victoriametrics_url: Option<String>,

    /// The timeout of a query in seconds
    #[arg(long, env, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..))]
    query_timeout: u32,

    /// http://HOST:PORT/PATH of a server that stores artifacts. It gets them by PUT and returns them by GET. By default they are in
    /// temporary files
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    artifact_store_url: Option<String>,

    /// The page of a trace, for the dashboard: http://HOST:PORT/PATH with `{trace_id}` where the id of the trace belongs
    #[arg(long, env, value_name = "URL")]
    trace_url: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    support::exit(run(support::parse("orchestrator", "127.0.0.1:8080")).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let exporter = Exporter::builder(&args.service.service_name)
        .with_namespace("asdlc")
        .with_constant_labels(args.service.environment())
        .with_version(env!("CARGO_PKG_VERSION"))
        // A task takes a millisecond or hours: no boundaries fit both. In text it has classic buckets, for VictoriaMetrics.
        .with_native_histograms(["task_duration_seconds"])
        // A slow bucket names the trace of a request that fell into it.
        .with_exemplars()
        .build()?;
    let traces = Traces::from_env(&args.service.service_name)?;
    subscribe(&exporter, &traces, &args.service.rust_log)?;
    process::register(&exporter);

    let mut readiness = Readiness::builder();
    let tasks = match args.redis.url() {
        Some(url) => {
            let probe = RedisProbe::open(url)?.register(&exporter);
            readiness = readiness.with_dependency(Dependency::critical("redis", probe));
            Tasks::InRedis(InRedis::open(url, &RedisMetrics::new(&exporter))?)
        }
        None => {
            RedisProbe::absent().register(&exporter);
            Tasks::InProcess(InProcess::default())
        }
    };
    let readiness = readiness.build()?;
    let artifacts = match configured(&args.artifact_store_url) {
        Some(url) => Artifacts::OverHttp(OverHttp::open(url, &exporter)?),
        None => Artifacts::InFiles(InFiles::default()),
    };
    let victoria_metrics = configured(&args.victoriametrics_url);
    let queries = QueryProxy::builder(victoria_metrics)
        .with_timeout(Duration::from_secs(args.query_timeout.into()))
        .build(&exporter)?;

    let app = api::routes(tasks, artifacts)
        .merge(dashboard::routes(configured(&args.trace_url)))
        .route_service("/health", LivenessService::new())
        .route_service("/ready", readiness.service())
        .route_service("/api/metrics/{*query}", queries)
        .layer(HttpMetricsLayer::new(&exporter));
    // Around the metrics: they see the span of the request.
    let app = traces
        .around(app)
        // Added after the layers, so that scrapes are not counted.
        .route_service("/metrics", exporter.scrape_service());

    let listener = support::listen(&args.service.listen_addr).await?;
    support::serve(listener, |listener, stop| {
        let stop = async move {
            stop.requested().await;
            readiness.drain();
        };
        axum::serve(listener, app).with_graceful_shutdown(stop).into_future()
    })
    .await?;
    traces.shutdown().await
}

/// An empty value counts as not set.
fn configured(url: &Option<String>) -> Option<&str> {
    url.as_deref().filter(|url| !url.is_empty())
}

/// Installs the log, the traces, and the metrics of the spans around tasks. `RUST_LOG` filters only the log.
fn subscribe(exporter: &Exporter, traces: &Traces, rust_log: &str) -> Result<(), Box<dyn Error>> {
    let metrics = SpanMetricsLayer::new(
        exporter,
        [Rule::span("task")
            .with_counter("tasks_processed_total")
            .with_duration("task_duration_seconds")],
    )?;
    tracing_subscriber::registry()
        .with(metrics)
        .with(traces.layer())
        .with(support::log(rust_log)?)
        .try_init()?;
    Ok(())
}
