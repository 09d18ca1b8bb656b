//! A daemon that keeps a program running. Its state, its build and its requests are at `/api/v1/metrics`.
//!
//! ```sh
//! cargo run --release -p daemon -- --config examples/daemon/daemon.toml
//! curl 127.0.0.1:7654/api/v1/status
//! curl 127.0.0.1:7654/api/v1/metrics      # palingenesis_daemon_state 1: monitoring
//! curl -X POST 127.0.0.1:7654/api/v1/pause     # … 2: paused
//! curl -X POST 127.0.0.1:7654/api/v1/resume    # … 4: resuming, until the program has settled
//! curl 127.0.0.1:7654/api/v1/status/waiting    # responds when the program has ended: … 3: waiting, until the next start
//! ```

mod api;
mod config;
mod watch;

use asdlc_exporter::{Exporter, StateGauge, config as settings, service_info};
use config::Config;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tower_asdlc_metrics::HttpMetricsLayer;
use tracing_subscriber::prelude::*;
use watch::{State, Watch};

/// Keeps a program running: restarts it after a wait when it ends, and can be paused and resumed over HTTP. Its metrics are at
/// /api/v1/metrics.
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    /// The program and its settings, in TOML. Without a file the program is `sleep 30`
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,

    #[command(flatten)]
    service: support::ServiceArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    support::exit(run(support::parse("daemon", "127.0.0.1:7654")).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let config: Config = args.config.as_ref().map(settings::load).transpose()?.unwrap_or_default();
    tracing_subscriber::registry().with(support::log(&args.service.rust_log)?).try_init()?;
    let exporter = exporter(&args.service)?;
    let metrics_enabled = config.otel.metrics_enabled;

    let listener = support::listen(&args.service.listen_addr).await?;
    let state = state_gauge(&exporter);
    let (watch, watching) = Watch::new(config, move |now| state.set(now));

    let mut app = api::routes(watch).layer(HttpMetricsLayer::new(&exporter));
    // Without the route the path is a 404. The metrics are recorded nevertheless.
    if metrics_enabled {
        app = app.route_service("/api/v1/metrics", exporter.scrape_service());
    }

    // After the server has ended, the watch task is aborted. Dropping its child kills the program.
    let watching = tokio::spawn(watching);
    let served = support::serve(listener, |listener, stop| {
        axum::serve(listener, app).with_graceful_shutdown(stop.requested()).into_future()
    });
    let served = served.await;
    watching.abort();
    let _ = watching.await;
    Ok(served?)
}

fn exporter(service: &support::ServiceArgs) -> Result<Exporter, Box<dyn Error>> {
    let exporter = Exporter::builder(&service.service_name)
        .with_namespace("palingenesis")
        .with_constant_labels(service.environment())
        .build()?;
    // The name is `palingenesis_info`; `with_version` would make it `palingenesis_service_info`.
    service_info::register_info(&exporter, VERSION);
    service_info::register_build_info(&exporter, VERSION, env!("COMMIT"));
    Ok(exporter)
}

fn state_gauge(exporter: &Exporter) -> StateGauge<State> {
    let help = "What the daemon does: 1 monitoring, 2 paused, 3 waiting, 4 resuming.";
    StateGauge::new(&exporter.meter(), "daemon_state", help, State::Monitoring)
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
