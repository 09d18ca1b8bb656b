//! The text of a scrape, byte for byte. `*` stands for a value that depends on time.

use asdlc_exporter::{Exporter, ExporterBuilder};
use asdlc_tests::client::Connection;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process::Server;
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use axum::routing::get;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tower_asdlc_metrics::{Conventions, HttpMetricsLayer, MatchedRoute};

use super::servers::ITEM;

//
#[test]
fn open_telemetrys_conventions_are_the_text_of_the_go_exporter() {
    // The Go exporter has no such label.
    let exporter = Exporter::builder("shop").without_service_label();
    let text = scrape(exporter, "http_server_request_duration_seconds_count", |provider| {
        build(provider, Conventions::OpenTelemetry)
    });
    assert_eq!(text, OPEN_TELEMETRY);
}

//
#[test]
fn prometheus_convention_is_what_it_was_with_and_without_the_setting() {
    let is_set = scrape(Exporter::builder("shop"), "http_requests_total", |provider| {
        build(provider, Conventions::Prometheus)
    });
    assert_eq!(is_set, PROMETHEUS);
    assert_eq!(
        scrape(Exporter::builder("shop"), "http_requests_total", HttpMetricsLayer::new),
        is_set
    );
    // `Both` adds families, and does not change these.
    let both = scrape(Exporter::builder("shop"), "http_requests_total", |provider| {
        build(provider, Conventions::Both)
    });
    let kept: String =
        both.split_inclusive('\n').filter(|line| !line.contains("http_server_")).collect();
    assert_eq!(kept, is_set);
    assert_ne!(both, is_set);
}

fn build(provider: &SdkMeterProvider, conventions: Conventions) -> HttpMetricsLayer {
    let builder = HttpMetricsLayer::builder(MatchedRoute).with_conventions(conventions);
    builder.build(provider).expect("the settings are valid")
}

/// The text after three requests to an axum server: two that succeed, and one without a route. `counter` has their number.
fn scrape(
    exporter: ExporterBuilder,
    counter: &str,
    layer: impl FnOnce(&SdkMeterProvider) -> HttpMetricsLayer,
) -> String {
    let exporter = exporter.build().expect("the name is valid");
    let router = Router::new()
        .route(ITEM, get(async || "an item"))
        .layer(layer(exporter.sdk_meter_provider()))
        .route_service("/metrics", exporter.scrape_service());
    let server = Server::axum(router);
    let mut connection = Connection::open(server.address());
    for path in ["/items/7", "/items/8", "/nowhere"] {
        connection.get(path);
    }
    let mut text = String::new();
    let all = || {
        let body = connection.get("/metrics").into_body();
        text = String::from_utf8(body.into()).expect("it is text");
        let exposition = Exposition::parse(text.as_bytes()).expect("it is valid");
        exposition.sum(counter) == 3.0
    };
    assert!(eventually(DEADLINE, all));
    let is_own = |line: &&str| line.contains("http_");
    text.lines().filter(is_own).map(|line| format!("{}\n", without_times(line))).collect()
}

/// Without the value, if it is the sum of durations or a number of requests below a duration.
fn without_times(line: &str) -> String {
    let (series, value) = line.rsplit_once(' ').expect("a line has a value");
    let is_bucket = series.contains("_bucket{") && !series.contains("le=\"+Inf\"");
    let is_timed = is_bucket || series.contains("_seconds_sum{");
    format!("{series} {}", if is_timed { "*" } else { value })
}

const OPEN_TELEMETRY: &str = include_str!("open_telemetry.txt");

const PROMETHEUS: &str = include_str!("prometheus.txt");
