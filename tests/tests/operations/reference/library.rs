//! A service with every family of the crates. Each example has only some of them.

use std::convert::Infallible;
use std::future::ready;

use asdlc_exporter::Exporter;
use asdlc_exporter::process::{Memory, ProcessMetrics};
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
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpClientMetricsLayer, HttpMetricsLayer, MatchedRoute};

/// Starts the service and makes each family appear.
pub(super) fn start() -> Server {
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
        .register(&meter);
    service_info::register_info(&meter, "1.0.0");
    service_info::register_build_info(&meter, "1.0.0", "0a1b2c3");
    service_info::register_starts(&meter);
    workers::register(&meter, PoolStatistics::default);
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
    server
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
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let Ok(_response) = runtime.block_on(client.oneshot(request));
}
