//! An agent that stores keys and copies them to its peers. It serves only its metrics over HTTP, and all of them come from spans.
//!
//! ```sh
//! cargo run --release -p agent -- --config examples/agent/agent.yaml    # /metrics on 127.0.0.1:8080
//! cargo run --release -p agent -- --config examples/agent/peer.yaml     # … and on 8081
//! printf '\0\0\0\54{"type":"put","key":"color","value":"green"}' | nc -N 127.0.0.1 7946
//! curl 127.0.0.1:8081/metrics      # the copy: storage_operations_total{operation="put",backend="local"} 1
//! ```

mod config;
mod node;
mod peer;
mod storage;
mod wire;

use asdlc_exporter::process::{Memory, ProcessMetrics};
use asdlc_exporter::serve::Server;
use asdlc_exporter::{Exporter, config as settings};
use config::Config;
use node::Node;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use storage::Storage;
use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing_asdlc_metrics::{Label, Rule, SpanMetricsLayer};
use tracing_subscriber::prelude::*;

/// An agent that stores keys and copies them to its peers. Its metrics are at /metrics.
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    /// Peers, storage and metrics, in YAML. A port in this file replaces that of `LISTEN_ADDR`
    #[arg(long, value_name = "FILE.yaml")]
    config: Option<PathBuf>,

    /// A Redis that all agents share, where they find keys they have missed [default: none]
    #[arg(long, env, value_name = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,

    #[command(flatten)]
    service: support::ServiceArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    support::exit(run(support::parse("agent", "127.0.0.1:8080")).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let config: Config = args.config.as_ref().map(settings::load).transpose()?.unwrap_or_default();
    let exporter = exporter(&args.service)?;
    let enabled = config.metrics.enabled;
    let metrics = enabled.then(|| SpanMetricsLayer::new(&exporter, rules())).transpose()?;
    tracing_subscriber::registry()
        .with(metrics)
        .with(support::log(&args.service.rust_log)?)
        .try_init()?;

    let listener = support::listen(&config.listen).await?;
    let listening = listen(&config, &args.service.listen_addr, &exporter).await?;
    // An empty value counts as not set.
    let redis = args.redis_url.as_deref().filter(|url| !url.is_empty());
    let storage = Storage::open(config.storage.path.as_deref(), redis)?;
    tracing::info!("peers and clients on {}", listener.local_addr()?);
    let address = listening.as_ref().map(Server::address);
    match address {
        Some(address) => tracing::info!("metrics at http://{address}{}", config.metrics.path),
        None => tracing::info!("Metrics endpoint disabled"),
    }

    support::run(address, |stop| async move {
        let mut links = JoinSet::new();
        let mut copies = Vec::new();
        for peer in config.peers {
            let (sender, receiver) = mpsc::channel(MAX_WAITING_COPIES);
            links.spawn(peer::link(peer, receiver, config.heartbeat));
            copies.push(sender);
        }
        let served = Node::new(storage, copies).serve(listener, stop).await;
        // The node has ended, so the channels of the links are closed. A link with a connection
        // ends after its last copy. A link without a connection ends and drops its copies.
        while links.join_next().await.is_some() {}
        if let Some(listening) = listening {
            listening.stop().await;
        }
        served
    })
    .await?;
    Ok(())
}

/// Starts the listener for metrics, if metrics are enabled.
async fn listen(
    config: &Config,
    listen_addr: &str,
    exporter: &Exporter,
) -> Result<Option<Server>, Box<dyn Error>> {
    let metrics = &config.metrics;
    if !metrics.enabled {
        return Ok(None);
    }
    let mut addresses = lookup_host(listen_addr)
        .await
        .map_err(|error| format!("cannot listen on {listen_addr}: {error}"))?;
    let mut address = addresses.next().ok_or("LISTEN_ADDR resolves to no address")?;
    if let Some(port) = metrics.port {
        address.set_port(port);
    }
    let server = Server::builder()
        .with_address(address)
        .with_route(&metrics.path, exporter.scrape_service())
        .start();
    Ok(Some(server.await?))
}

fn exporter(service: &support::ServiceArgs) -> Result<Exporter, Box<dyn Error>> {
    let exporter = Exporter::builder(&service.service_name)
        .with_constant_labels(service.environment())
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()?;
    ProcessMetrics::new().with_memory(Memory::Resident).with_cpu_usage().register(&exporter);
    Ok(exporter)
}

/// Everything that is measured, by the names of the spans in `node`, `peer` and `storage`.
fn rules() -> [Rule; 3] {
    [
        Rule::span("process_message")
            .with_opened_counter("messages_received_total")
            .with_duration("message_processing_duration_seconds"),
        Rule::span("storage")
            .with_counter("storage_operations_total")
            .with_duration("storage_operation_duration_seconds")
            .with_label(Label::field("operation").with_values(["get", "put", "delete"]))
            .with_label(Label::field("backend").with_values(["local", "redis"])),
        Rule::span("peer").with_in_flight("agent_peers_connected"),
    ]
}

/// How many copies may wait for a peer.
const MAX_WAITING_COPIES: usize = 10_000;
