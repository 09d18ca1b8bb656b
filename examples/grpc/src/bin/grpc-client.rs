//! A client of the server in `main.rs`. It makes calls of all four kinds, and some that fail. At the end it prints its metrics.
//!
//! ```sh
//! cargo run --release -p grpc &
//! cargo run --release -p grpc --bin grpc-client                             # http://127.0.0.1:50051
//! cargo run --release -p grpc --bin grpc-client http://127.0.0.1:1          # nobody listens there
//! ```

use asdlc_exporter::Exporter;
use proto::readings_client::ReadingsClient;
use proto::{LastRequest, Reading, WatchRequest};
use std::error::Error;
use std::fmt::Debug;
use std::process::ExitCode;
use std::time::Duration;
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use tower::ServiceBuilder;
use tower_asdlc_metrics::{HttpClientMetrics, HttpClientMetricsLayer, TonicMethod};
use tracing_subscriber::prelude::*;

#[expect(
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::doc_markdown,
    reason = "tonic-prost-build wrote it"
)]
mod proto {
    tonic::include_proto!("telemetry.v1");
}

type Client = ReadingsClient<HttpClientMetrics<Channel>>;

#[tokio::main]
async fn main() -> ExitCode {
    let url = std::env::args().nth(1);
    support::exit(run(url.as_deref().unwrap_or("http://127.0.0.1:50051")).await)
}

async fn run(url: &str) -> Result<(), Box<dyn Error>> {
    tracing_subscriber::registry().with(support::log("info")?).try_init()?;
    let server = Endpoint::from_shared(url.to_owned())?;
    if server.uri().scheme_str() != Some("http") {
        return Err(format!("invalid URL {url}: must be http://HOST:PORT").into());
    }
    let exporter = Exporter::builder("grpc-client").build()?;
    let metrics = HttpClientMetricsLayer::builder()
        // The requests of a `Channel` name no host.
        .with_default_host(url)
        .with_endpoint(TonicMethod)
        .with_tonic_errors()
        .build(&exporter)?;
    // Connects at the first call, so that a server that is down shows in the metrics.
    let channel = ServiceBuilder::new().layer(metrics).service(server.connect_lazy());
    call(ReadingsClient::new(channel)).await;
    print(&exporter.render()?);
    Ok(())
}

async fn call(mut client: Client) {
    let readings = || tokio_stream::iter([1.0, 2.0, 6.0].map(reading));
    log("Record", client.record(readings()).await);
    log("Last", client.last(LastRequest { sensor: SENSOR.into() }).await);
    log("Last, without a reading", client.last(LastRequest { sensor: "none".into() }).await);
    log("Smooth", all(client.smooth(readings()).await).await);
    let invalid = readings().chain(tokio_stream::once(reading(f64::NAN)));
    log("Smooth, not a number at the end", all(client.smooth(invalid).await).await);
    log("Watch, left after one reading", watch_once(&mut client).await);
    let mut never_ends = Request::new(tokio_stream::pending());
    never_ends.set_timeout(Duration::from_millis(200));
    log("Record, with a deadline", client.record(never_ends).await);
}

async fn all(
    response: Result<tonic::Response<Streaming<Reading>>, Status>,
) -> Result<Vec<Reading>, Status> {
    response?.into_inner().collect().await
}

/// Reads one message of a stream that does not end by itself.
async fn watch_once(client: &mut Client) -> Result<Option<Reading>, Status> {
    let mut watch = client.watch(WatchRequest { sensor: SENSOR.into() }).await?.into_inner();
    client.record(tokio_stream::once(reading(7.0))).await?;
    watch.message().await
}

fn reading(value: f64) -> Reading {
    Reading { sensor: SENSOR.into(), value }
}

fn log(call: &str, outcome: Result<impl Debug, Status>) {
    match outcome {
        Ok(response) => tracing::info!("{call}: {response:?}"),
        Err(status) => tracing::info!("{call}: {:?}: {}", status.code(), status.message()),
    }
}

#[expect(clippy::print_stdout, reason = "the output of this program")]
fn print(metrics: &str) {
    print!("{metrics}");
}

const SENSOR: &str = "t1";
