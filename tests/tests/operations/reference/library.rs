//! A service with every family of the crates. Each example has only some of them.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use asdlc_exporter::Exporter;
use asdlc_exporter::pools::{ConnectionPools, ConnectionStatistics};
use asdlc_exporter::process::{Memory, ProcessMetrics};
use asdlc_exporter::runtime::RuntimeMetrics;
use asdlc_exporter::service_info;
use asdlc_exporter::workers::{self, PoolStatistics};
use asdlc_tests::client::Connection;
use asdlc_tests::in_process::Server;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use tokio::runtime::Runtime;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpClientMetricsLayer, HttpMetricsLayer, MatchedRoute};

/// Starts the service and makes each family appear. The runtime is the one that it observes.
pub(super) fn start() -> (Server, Runtime) {
    let exporter = Exporter::builder("library")
        .with_version("1.0.0")
        .with_self_metrics()
        .build()
        .expect("the names are valid");
    let meter = exporter.meter();
    ProcessMetrics::new()
        .with_memory(Memory::ByType)
        .with_cpu_usage()
        .with_canonical()
        .with_container()
        .register(&meter);
    service_info::register_info(&meter, "1.0.0");
    service_info::register_build_info(&meter, "1.0.0", "0a1b2c3");
    service_info::register_starts(&meter);
    workers::register(&meter, PoolStatistics::default);
    let runtime = Runtime::new().expect("a runtime can be built");
    let metrics = RuntimeMetrics::new("main", runtime.handle().clone());
    metrics.register(&exporter).expect("the settings are valid");
    let statistics = || {
        ConnectionStatistics::default()
            .with_idle(1)
            .with_used(1)
            .with_max(2)
            .with_pending_requests(0)
            .with_timeouts(0)
            .with_waits(0)
            .with_wait_time(Duration::ZERO)
    };
    let pools = ConnectionPools::new("orders", statistics);
    pools.register(&exporter).expect("the settings are valid");
    exporter.add_source("queue", || ready(()));

    // Only a metric with an overflow series has the family `exporter_overflowing`.
    let overflow = exporter.meter_provider().meter("overflow").u64_counter("http_requests").build();
    overflow.add(1, &[KeyValue::new("otel.metric.overflow", true)]);

    send_a_call_that_fails(&meter);
    let layer = HttpMetricsLayer::builder(MatchedRoute)
        .with_time_to_headers()
        .with_body_sizes()
        .build(&meter)
        .expect("the settings are valid");
    let fails = async |_body: String| StatusCode::INTERNAL_SERVER_ERROR;
    let app = Router::new()
        .route("/fails", post(fails))
        .layer(layer.request_body_layer())
        .layer(layer)
        .route_service("/metrics", exporter.scrape_service());
    let server = Server::axum(app);
    let mut connection = Connection::open(server.address());
    assert_eq!(connection.post_json("/fails", "{}").status(), 500);
    // The self-metrics of a scrape appear in the next scrape.
    assert_eq!(connection.get("/metrics").status(), 200);
    (server, runtime)
}

/// A gRPC call through a client layer with all its settings.
fn send_a_call_that_fails(meter: &Meter) {
    const METHOD: &str = "/inventory.Items/Get";
    let layer = HttpClientMetricsLayer::builder()
        .with_endpoint(FixedEndpoint(METHOD))
        .with_time_to_headers()
        .with_body_sizes()
        .build(meter)
        .expect("the settings are valid");
    let respond = |_| async {
        let response = Response::builder().header("grpc-status", "14").body(Empty::<Bytes>::new());
        Ok::<_, Infallible>(response.expect("it is valid"))
    };
    let client = ServiceBuilder::new()
        .layer(layer.clone())
        .layer(layer.request_body_layer())
        .service(service_fn(respond));
    let request = Request::post(format!("http://inventory:50051{METHOD}"))
        .header("content-type", "application/grpc")
        .body(Empty::<Bytes>::new())
        .expect("it is valid");
    let runtime = Runtime::new().expect("a runtime can be built");
    let Ok(_response) = runtime.block_on(client.oneshot(request));
}
