//! A worker pool on hyper. With Redis the workers read events from the stream that the orchestrator writes. Without Redis they process
//! the events of `POST /events`.
//!
//! ```sh
//! cargo run --release -p workers
//! curl 127.0.0.1:8081/events -d '{"kind":"word_count","input":"to be or not to be"}'
//! curl 127.0.0.1:8081/stats
//! curl 127.0.0.1:8081/metrics
//! ```

mod events;
mod http;
mod local;
mod pool;

use asdlc_exporter::health::LivenessService;
use asdlc_exporter::redis::{RedisMetrics, RedisProbe};
use asdlc_exporter::{Exporter, process, workers};
use events::Events;
use pool::Pool;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use support::Kind;
use tracing_asdlc_metrics::{Label, Rule, SpanMetricsLayer};
use tracing_subscriber::prelude::*;

/// A worker pool that processes events. Its metrics are at /metrics.
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    service: support::ServiceArgs,

    #[command(flatten)]
    redis: support::RedisArgs,

    /// How many events are processed at the same time
    #[arg(long, env, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,

    /// After how many seconds without a heartbeat another worker takes over an event
    #[arg(long, env, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..))]
    abandoned_after: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    support::exit(run(support::parse("workers", "127.0.0.1:8081")).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let exporter = Exporter::builder(&args.service.service_name)
        .with_namespace("asdlc")
        .with_constant_labels(args.service.environment())
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()?;
    let spans = SpanMetricsLayer::new(
        &exporter,
        [Rule::span("event")
            .with_duration("event_processing_duration_seconds")
            .with_label(Label::field("kind").with_values(Kind::NAMES))],
    )?;
    tracing_subscriber::registry()
        .with(spans)
        .with(support::log(&args.service.rust_log)?)
        .try_init()?;

    let pool = Pool::new(args.workers.into());
    let statistics = pool.clone();
    workers::register(&exporter, move || statistics.statistics());
    process::register(&exporter);

    let redis = RedisMetrics::new(&exporter);
    args.redis
        .url()
        .map_or_else(|| Ok(RedisProbe::absent()), RedisProbe::open)?
        .register(&exporter);
    let abandoned = Duration::from_secs(args.abandoned_after.into());
    let events = args.redis.url().map(|url| Events::open(url, &redis, abandoned)).transpose()?;

    let (sender, queue) = local::queue();
    let api = http::Api {
        pool: pool.clone(),
        health: LivenessService::new(),
        queue: events.is_none().then_some(sender),
    };
    let layer = http::metrics_layer(&exporter)?;
    let listener = support::listen(&args.service.listen_addr).await?;
    support::serve(listener, |listener, stop| async move {
        let served = http::serve(listener, api, layer, exporter.scrape_service(), stop.clone());
        let worked = async {
            match events {
                Some(events) => events.run(&pool, stop).await,
                None => local::run(&pool, queue, stop).await,
            }
            pool.idle().await;
        };
        tokio::join!(served, worked).0
    })
    .await?;
    Ok(())
}
