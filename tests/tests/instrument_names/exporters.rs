//! Both layers and all adapters record into one provider, which three Prometheus exporters read.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use asdlc_exporter::pools::{ConnectionPools, ConnectionStatistics};
use asdlc_exporter::process::{self, ProcessMetrics};
use asdlc_exporter::prometheus::{Registry, TextEncoder};
use asdlc_exporter::redis::{RedisMetrics, RedisProbe};
use asdlc_exporter::runtime::RuntimeMetrics;
use asdlc_exporter::victoria_metrics::QueryProxy;
use asdlc_exporter::workers::{self, PoolStatistics};
use asdlc_exporter::{Exporter, PrometheusReader, StateGauge, service_info};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::Redis;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use opentelemetry_prometheus_text_exporter::PrometheusExporter as TextExporter;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tower::{Layer, ServiceExt, service_fn};
use tower_asdlc_metrics::{HttpMetricsLayer, endpoint_fn};
use tracing::{Level, event, info, info_span};
use tracing_asdlc_metrics::{Outcome, Rule, SpanMetricsLayer};
use tracing_subscriber::prelude::*;

/// The type of each family.
type Families = BTreeMap<String, String>;

//
#[tokio::test(flavor = "multi_thread")]
async fn every_prometheus_exporter_serves_the_same_families() {
    let redis = Redis::start();
    let ours = PrometheusReader::builder().build().expect("the default settings");
    let registry = Registry::new();
    let theirs = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
    let text_exporter = TextExporter::new();
    let provider = SdkMeterProvider::builder()
        .with_reader(ours.clone())
        .with_reader(theirs.expect("a registry without collectors"))
        .with_reader(text_exporter.clone())
        .build();

    requests(&provider).await;
    spans_and_events(&provider);
    adapters(&provider, &ours, &redis).await;

    // Ours is the first, because only its scrapes run the probe of Redis.
    let scraped = tokio::task::spawn_blocking(move || ours.render()).await.expect("no panic");
    let scraped = scraped.expect("it renders");
    Exposition::parse(scraped.as_bytes()).expect("it renders valid text");
    let scraped = families(&scraped);
    let encoded = TextEncoder::new().encode_to_string(&registry.gather()).expect("it encodes");
    assert_eq!(families(&encoded), scraped, "opentelemetry-prometheus");
    let mut text = Vec::new();
    text_exporter.export(&mut text).expect("it writes");
    let text = String::from_utf8(text).expect("it writes text");
    assert_eq!(families(&text), scraped, "opentelemetry-prometheus-text-exporter");

    for (family, kind) in EXPECTED {
        assert_eq!(scraped.get(*family).map(String::as_str), Some(*kind), "{family}");
    }
    assert_eq!(scraped.len(), EXPECTED.len(), "{scraped:?}");
}

/// A successful and a failed request, and some beyond the series limit.
async fn requests(provider: &SdkMeterProvider) {
    let layer = HttpMetricsLayer::builder(endpoint_fn(|head| Some(head.uri().path())))
        .with_body_sizes()
        .with_time_to_headers()
        .with_max_series(2)
        .build(provider)
        .expect("valid settings");
    let respond = service_fn(|request: Request<_>| async move {
        let status = match request.uri().path() {
            "/missing" => StatusCode::NOT_FOUND,
            _ => StatusCode::OK,
        };
        let request: http_body_util::Collected<bytes::Bytes> =
            BodyExt::collect(request.into_body()).await.expect("a complete body");
        let mut response = Response::new(Full::new(request.to_bytes()));
        *response.status_mut() = status;
        Ok::<_, Infallible>(response)
    });
    let service = layer.layer(layer.request_body_layer().layer(respond));
    for path in ["/", "/missing", "/a", "/b"] {
        let request = Request::builder().uri(path).body(Full::<bytes::Bytes>::from("a body"));
        let response = service.clone().oneshot(request.expect("a request")).await;
        response.expect("a response").into_body().collect().await.expect("a complete body");
    }
}

fn spans_and_events(provider: &SdkMeterProvider) {
    let rules = [
        Rule::span("checkout")
            .with_opened_counter("checkouts_started_total")
            .with_counter("checkouts_total")
            .with_in_flight("checkouts_in_flight")
            .with_duration("checkout_duration_seconds")
            .with_outcome(Outcome::label("outcome")),
        // Names that only their suffix distinguishes.
        Rule::span("job")
            .with_counter("jobs_total")
            .with_in_flight("jobs")
            .with_duration("jobs_seconds"),
        Rule::event("sent")
            .with_sum("sent_bytes_total", "bytes")
            .with_gauge("queue_bytes", "queued")
            .with_counter("sends"),
        Rule::event("sent").with_histogram("sending_seconds", "seconds"),
        Rule::prefixed_fields(),
    ];
    let layer = SpanMetricsLayer::new(provider, rules).expect("valid rules");
    let coverage = layer.coverage();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        drop(info_span!("checkout"));
        drop(info_span!("job"));
        event!(name: "sent", Level::INFO, bytes = 5, seconds = 0.5, queued = 7);
        info!(monotonic_counter.orders_total = 1, gauge.fill_ratio = 0.5);
        info!(histogram.order_seconds = 0.5, counter.open_orders = 1);
    });
    let created = asdlc_tests::wait::eventually(asdlc_tests::wait::DEADLINE, || {
        coverage.pending().is_empty()
    });
    assert!(created, "{coverage:?}");
}

async fn adapters(provider: &SdkMeterProvider, ours: &PrometheusReader, redis: &Redis) {
    process::register(provider);
    ProcessMetrics::new().with_cpu_usage().with_canonical().register(provider);
    workers::register(provider, || PoolStatistics::default().with_size(2));
    let runtime = RuntimeMetrics::new("main", tokio::runtime::Handle::current());
    runtime.register_with(provider, ours).expect("valid settings");
    let statistics = || {
        ConnectionStatistics::default()
            .with_idle(1)
            .with_max(2)
            .with_pending_requests(0)
            .with_timeouts(0)
            .with_waits(0)
            .with_wait_time(Duration::ZERO)
    };
    ConnectionPools::new("orders", statistics).register(provider).expect("valid settings");
    service_info::register_info(provider, "1.2.3");
    service_info::register_build_info(provider, "1.2.3", "0a1b2c3");
    service_info::register_starts(provider);
    StateGauge::new(provider, "daemon_state", "1 or 2.", 1_u64).set(2);
    let url: Option<&str> = None;
    let _proxy = QueryProxy::builder(url).build(provider).expect("valid settings");

    RedisProbe::open(&redis.url()).expect("a URL").register_with(provider, ours);
    let metrics = RedisMetrics::new(provider);
    let client = redis::Client::open(redis.url()).expect("a URL");
    let connection = client.get_multiplexed_async_connection().await.expect("Redis listens");
    let mut connection = metrics.instrument(connection);
    let set: Result<(), _> =
        redis::cmd("SET").arg("a").arg("text").query_async(&mut connection).await;
    set.expect("Redis sets it");
    let failed: Result<i64, _> = redis::cmd("INCR").arg("a").query_async(&mut connection).await;
    failed.expect_err("text is no number");
}

// the instruments of the exporter itself, as its other readers get them.
#[test]
fn the_own_metrics_of_an_exporter_have_the_same_names_for_another_reader() {
    let text_exporter = TextExporter::builder().without_target_info().build();
    let exporter = Exporter::builder("shop")
        .with_version("1.2.3")
        .with_reader(text_exporter.clone())
        .build()
        .expect("valid settings");
    let mut text = Vec::new();
    text_exporter.export(&mut text).expect("it writes");
    let text = String::from_utf8(text).expect("it writes text");
    assert_eq!(families(&text), families(&exporter.render().expect("it renders")));
    let scope = format!(
        "otel_scope_name=\"asdlc-exporter\",otel_scope_version=\"{}\",otel_scope_schema_url=\"{}\"",
        env!("CARGO_PKG_VERSION"),
        asdlc_exporter::SCHEMA_URL
    );
    assert!(text.contains(&scope), "{text}");
}

fn families(text: &str) -> Families {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| {
            let (name, kind) = line.split_once(' ').expect("a name and a type");
            (name.to_owned(), kind.to_owned())
        })
        .collect()
}

const EXPECTED: &[(&str, &str)] = &[
    ("active_tasks", "gauge"),
    ("active_workers", "gauge"),
    ("build_info", "gauge"),
    ("checkout_duration_seconds", "histogram"),
    ("checkouts_in_flight", "gauge"),
    ("checkouts_started_total", "counter"),
    ("checkouts_total", "counter"),
    ("daemon_state", "gauge"),
    ("db_client_connections", "gauge"),
    ("db_client_connection_max", "gauge"),
    ("db_client_connection_pending_requests", "gauge"),
    ("db_client_connection_timeouts_total", "counter"),
    ("db_client_connection_waited_seconds_total", "counter"),
    ("db_client_connection_waits_total", "counter"),
    ("events_processed_total", "counter"),
    ("fill_ratio", "gauge"),
    ("http_request_body_size_bytes", "histogram"),
    ("http_request_duration_seconds", "histogram"),
    ("http_requests_failed_total", "counter"),
    ("http_requests_in_flight", "gauge"),
    ("http_requests_total", "counter"),
    ("http_response_body_size_bytes", "histogram"),
    ("http_response_headers_duration_seconds", "histogram"),
    ("info", "gauge"),
    ("jobs", "gauge"),
    ("jobs_seconds", "histogram"),
    ("jobs_total", "counter"),
    ("open_orders", "gauge"),
    ("order_seconds", "histogram"),
    ("orders_total", "counter"),
    ("process_cpu_seconds_total", "counter"),
    ("process_cpu_usage", "gauge"),
    ("process_max_fds", "gauge"),
    ("process_memory_bytes", "gauge"),
    ("process_open_fds", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_threads", "gauge"),
    ("process_virtual_memory_bytes", "gauge"),
    ("query_proxy_rejected_total", "counter"),
    ("query_proxy_requests_in_flight", "gauge"),
    ("query_proxy_requests_total", "counter"),
    ("query_proxy_response_bytes_total", "counter"),
    ("query_proxy_shared_total", "counter"),
    ("query_proxy_upstream_cancelled_total", "counter"),
    ("queue_bytes", "gauge"),
    ("redis_connection_errors_total", "counter"),
    ("redis_connection_last_success_age_seconds", "gauge"),
    ("redis_connection_up", "gauge"),
    ("redis_errors_total", "counter"),
    ("redis_latency_seconds", "histogram"),
    ("runtime_alive_tasks", "gauge"),
    ("runtime_busy_seconds_total", "counter"),
    ("runtime_global_queue_depth", "gauge"),
    ("runtime_parked_workers", "gauge"),
    ("runtime_parks_total", "counter"),
    ("runtime_scheduling_delay_seconds", "gauge"),
    ("runtime_workers", "gauge"),
    ("sending_seconds", "histogram"),
    ("sends_total", "counter"),
    ("sent_bytes_total", "counter"),
    ("service_starts_total", "counter"),
    ("target_info", "gauge"),
    ("worker_pool_size", "gauge"),
];
