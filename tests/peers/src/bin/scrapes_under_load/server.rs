//! The server's side: axum's `GET /hello` with our layer, and `GET /metrics`.

use crate::Result;
use asdlc_exporter::Exporter;
use axum::Router;
use axum::routing::get;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use std::io::{Read, stdin};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tower_asdlc_metrics::HttpMetricsLayer;

/// Serves as `#[tokio::main]` would, until the input ends.
pub fn serve(series: usize) -> Result<()> {
    let exporter = Exporter::builder("load")
        .with_max_series(series + 1)
        .with_scrape_timeout(Duration::from_secs(60))
        .build()?;
    record(&exporter.meter(), series);
    let layer = HttpMetricsLayer::new(&exporter.meter());
    let app = Router::new()
        .route(ROUTE, get(async || "Hello, world!"))
        .layer(layer)
        .route_service("/metrics", exporter.scrape_service());
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        tokio::spawn(async { axum::serve(listener, app).await });
        std::io::Result::Ok(())
    })?;
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// As in the benchmark of scrapes.
fn record(meter: &Meter, series: usize) {
    let boundaries = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
    let duration = meter.f64_histogram("api_request_duration_seconds");
    let duration = duration.with_boundaries(boundaries).build();
    let requests = meter.u64_counter("api_requests").build();
    for at in 0..series {
        let labels = [
            KeyValue::new("method", ["GET", "POST", "PUT", "DELETE"][at % 4]),
            KeyValue::new("endpoint", format!("/api/v1/resource{}/{{id}}", at / 16)),
            KeyValue::new("status", [200, 201, 404, 500][at / 4 % 4]),
            KeyValue::new("zone", "eu-1"),
        ];
        for value in [0.003, 0.07, 0.3, 7.0] {
            duration.record(value * (at % 7 + 1) as f64, &labels);
        }
        requests.add(at as u64 * 37 + 1, &labels);
    }
}

pub const ROUTE: &str = "/hello";
