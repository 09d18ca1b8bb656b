//! A tonic server with calls of all four kinds, health and reflection. `/metrics` is on the same port. `bin/grpc-client.rs` is a
//! client of it.
//!
//! ```sh
//! cargo run --release -p grpc
//! grpcurl -plaintext -d '{"sensor":"t1","value":20.5}' 127.0.0.1:50051 telemetry.v1.Readings/Record
//! grpcurl -plaintext -d '{"sensor":"t1"}' 127.0.0.1:50051 telemetry.v1.Readings/Last
//! grpcurl -plaintext -d '{"sensor":"t2"}' 127.0.0.1:50051 telemetry.v1.Readings/Last    # NOT_FOUND
//! curl 127.0.0.1:50051/metrics    # http_requests_total{endpoint="/telemetry.v1.Readings/Last",grpc_status="NOT_FOUND",…}
//! ```

mod readings;

use asdlc_exporter::{Exporter, process};
use readings::proto::readings_server::ReadingsServer;
use std::error::Error;
use std::io;
use std::process::ExitCode;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer};
use tracing_subscriber::prelude::*;

/// A tonic server that stores and returns readings of sensors. Its metrics are at /metrics on the same port.
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    service: support::ServiceArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    support::exit(run(support::parse("grpc", "127.0.0.1:50051")).await)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    tracing_subscriber::registry().with(support::log(&args.service.rust_log)?).try_init()?;
    let exporter = exporter(&args.service)?;
    let methods = GrpcMethods::from_file_descriptor_sets(&DESCRIPTORS)?;
    let metrics = HttpMetricsLayer::builder(methods)
        // The layer is around everything on this port, so scrapes are excluded here.
        .without_paths(["/metrics"])
        .build(&exporter)?;

    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<ReadingsServer<readings::Readings>>().await;
    let mut reflection = tonic_reflection::server::Builder::configure();
    for descriptors in DESCRIPTORS {
        reflection = reflection.register_encoded_file_descriptor_set(descriptors);
    }
    let routes = Routes::new(health_service).add_service(reflection.build_v1()?);

    let listener = support::listen(&args.service.listen_addr).await?;
    tracing::info!("metrics at /metrics; grpcurl -plaintext lists the services");
    support::serve(listener, |listener, stop| async move {
        let readings = readings::Readings::new(stop.clone());
        let routes = routes.add_service(ReadingsServer::new(readings));
        // Scrapers use HTTP/1.1.
        let routes = routes.into_axum_router().route_service("/metrics", exporter.scrape_service());
        let stopping = async {
            stop.requested().await;
            health.set_not_serving::<ReadingsServer<readings::Readings>>().await;
        };
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = Server::builder().accept_http1(true).layer(metrics).add_routes(routes.into());
        server.serve_with_incoming_shutdown(incoming, stopping).await.map_err(io::Error::other)
    })
    .await?;
    Ok(())
}

fn exporter(service: &support::ServiceArgs) -> Result<Exporter, Box<dyn Error>> {
    let exporter = Exporter::builder(&service.service_name)
        .with_constant_labels(service.environment())
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()?;
    process::register(&exporter);
    Ok(exporter)
}

/// What this server has.
const DESCRIPTORS: [&[u8]; 3] = [
    readings::proto::DESCRIPTORS,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
];
