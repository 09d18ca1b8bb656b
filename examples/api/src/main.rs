//! An axum service that stores events in a database, with liveness, readiness and metrics.
//!
//! ```sh
//! cargo run --release -p api                          # stores them in api.db, an SQLite file in this directory
//! curl -d '{"source":"shop","type":"order.paid","data":{"order":7}}' -H 'content-type: application/json' \
//!     127.0.0.1:8000/v1/events
//! curl '127.0.0.1:8000/v1/events?limit=10'
//! curl 127.0.0.1:8000/v1/ready
//! curl 127.0.0.1:8000/v1/metrics
//! ```
//!
//! With PostgreSQL, a quota in Redis, and a second instance of this program as the event store. Stop any of them, and `/v1/ready`
//! names it:
//!
//! ```sh
//! LISTEN_ADDR=127.0.0.1:8001 DATABASE_URL='sqlite:store.db?mode=rwc' cargo run --release -p api &
//! DATABASE_URL=postgres://localhost/api REDIS_URL=redis://127.0.0.1 EVENT_STORE_URL=http://127.0.0.1:8001/v1 \
//!     SERVICE_NAME=shop-events ENVIRONMENT=staging cargo run --release -p api
//! ```

mod api;
mod constitution;
mod database;
mod event;
mod event_store;
mod events;
mod quota;
mod unavailable;

use asdlc_exporter::health::{Dependency, LivenessService, Readiness};
use asdlc_exporter::pools::ConnectionPools;
use asdlc_exporter::redis::{RedisMetrics, RedisProbe};
use asdlc_exporter::{Exporter, process, service_info};
use axum::Router;
use constitution::Constitution;
use database::Database;
use event_store::EventStore;
use events::Events;
use quota::Quota;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tower_asdlc_metrics::{HttpMetricsLayer, MatchedRoute};
use tracing_subscriber::prelude::*;

/// An axum service that stores events in a database, with /v1/health, /v1/ready and /v1/metrics.
#[derive(clap::Parser)]
#[command(version)]
#[command(mut_arg("environment", |arg| arg.help("The `environment` label of every metric [default: development]")))]
struct Args {
    #[command(flatten)]
    service: support::ServiceArgs,

    /// The database for events: sqlite:FILE?mode=rwc or the URL of a PostgreSQL database
    #[arg(
        long,
        env,
        value_name = "URL",
        default_value = SQLITE_FILE,
        hide_env_values = true
    )]
    database_url: Option<String>,

    /// redis://HOST:PORT, where the events of each source are counted. Without it there is no quota
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    redis_url: Option<String>,

    /// http://HOST:PORT/PATH of an event store. It gets each event at PATH/events, and its health check is PATH/health. Without
    /// it the database is the event store
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    event_store_url: Option<String>,

    /// How many events a source may send in a minute, if Redis is configured
    #[arg(long, env, value_name = "NUMBER", default_value_t = 6_000)]
    events_per_minute: u64,

    /// The file that counts the starts of this service. By default next to the SQLite file; none with PostgreSQL
    #[arg(long, env, value_name = "FILE")]
    state_file: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    support::exit(run(support::parse("api", "127.0.0.1:8000")).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    tracing_subscriber::registry().with(support::log(&args.service.rust_log)?).try_init()?;
    // A program that cannot listen must not count as a start.
    let listener = support::listen(&args.service.listen_addr).await?;
    let redis_url = configured(&args.redis_url);
    let redis = redis_url.map_or_else(|| Ok(RedisProbe::absent()), redis_probe)?;
    let event_store = configured(&args.event_store_url).map(EventStore::new).transpose()?;
    let database = Database::open(configured(&args.database_url).unwrap_or(SQLITE_FILE)).await?;

    let exporter = exporter(&args, &database)?;
    let http_metrics =
        HttpMetricsLayer::builder(MatchedRoute).with_boundaries(LATENCIES).build(&exporter)?;
    let redis = redis.register(&exporter);
    let quota = |url| Quota::new(url, args.events_per_minute, &RedisMetrics::new(&exporter));
    let quota = redis_url.map(quota).transpose()?;
    let readiness = readiness(&database, redis_url.map(|_| redis), event_store.as_ref())?;
    let constitution = Constitution::new(&exporter.meter());
    let events = Events { quota, event_store, database, constitution };
    tracing::info!("{events}");

    let app = Router::new()
        .merge(api::routes(events))
        .route_service("/v1/health", LivenessService::new())
        .route_service("/v1/ready", readiness.service())
        .layer(http_metrics)
        // Added after the layer, so that scrapes are not counted.
        .route_service("/v1/metrics", exporter.scrape_service());

    support::serve(listener, |listener, stop| {
        let stopping = async move {
            stop.requested().await;
            readiness.drain();
        };
        axum::serve(listener, app).with_graceful_shutdown(stopping).into_future()
    })
    .await?;
    Ok(())
}

fn exporter(args: &Args, database: &Database) -> Result<Exporter, Box<dyn Error>> {
    let (environment, name) = args.service.environment().unwrap_or(("environment", "development"));
    let exporter = Exporter::builder(&args.service.service_name)
        .with_constant_label(environment, name)
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_policy(constitution::operational_metrics())
        .build()?;
    process::register(&exporter);
    ConnectionPools::new("events", database.pool().clone()).register(&exporter)?;
    let beside_the_database = || Some(database.file()?.with_added_extension("starts"));
    let state_file = configured(&args.state_file).map(PathBuf::from);
    match state_file.or_else(beside_the_database) {
        Some(file) => {
            let starts = service_info::register_starts_kept_in(&exporter, &file);
            tracing::info!("start number {}, according to {}", starts.count(), file.display());
        }
        None => service_info::register_starts(&exporter),
    }
    Ok(exporter)
}

/// Checks everything that storing an event needs.
fn readiness(
    database: &Database,
    redis: Option<RedisProbe>,
    event_store: Option<&EventStore>,
) -> Result<Readiness, Box<dyn Error>> {
    let mut readiness =
        Readiness::builder().with_dependency(Dependency::critical("database", database.check()));
    if let Some(redis) = redis {
        readiness = readiness.with_dependency(Dependency::critical("redis", redis));
    }
    readiness = readiness.with_dependency(match event_store {
        Some(store) => Dependency::critical("event_store", store.check()),
        None => Dependency::critical("event_store", database.check_events()),
    });
    Ok(readiness.build()?)
}

fn redis_probe(url: &str) -> Result<RedisProbe, String> {
    // Readiness has the same limit.
    let probe =
        RedisProbe::open(url).and_then(|probe| probe.with_timeout(Duration::from_millis(500)));
    probe.map_err(|error| format!("REDIS_URL: {error}"))
}

/// An empty value counts as not set.
fn configured(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

/// The default database. The file is created if it does not exist.
const SQLITE_FILE: &str = "sqlite:api.db?mode=rwc";

/// The upper bounds of the latency buckets, in seconds.
const LATENCIES: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
