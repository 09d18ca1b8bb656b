//! `docs/migrating.md`: a real Prometheus accepts its queries, and the metrics it names exist. Its examples are doctests.

mod readers;

use std::collections::BTreeSet;

use asdlc_exporter::{Exporter, PrometheusReader, prometheus};
use asdlc_tests::client::Connection;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{Prometheus, QueryApi};
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tower_asdlc_metrics::{HttpLabel, HttpMetricsLayer, MatchedRoute};
use tracing::info;
use tracing_asdlc_metrics::{Label, Rule, SpanMetricsLayer};
use tracing_subscriber::prelude::*;

const GUIDE: &str = include_str!("../../../docs/migrating.md");

#[test]
fn prometheus_accepts_the_old_queries_and_has_results_for_the_new_ones() {
    let (exporter, server) = migrated(recorded_with_macros());
    let (_provider, existing) = existing();
    let prometheus = Prometheus::scraping_all(&[server.address(), existing.address()]);
    let (before, after) = queries();
    assert!(after.len() > 5 && before.len() == after.len(), "{before:?} {after:?}");
    for query in before {
        // The old metrics do not exist here. `samples` fails if the query is not PromQL.
        prometheus.samples(&query);
    }
    for query in after {
        // `rate` needs two scrapes.
        let answered = eventually(DEADLINE, || !prometheus.samples(&query).is_empty());
        assert!(answered, "no result of\n{query}\nfrom\n{}", exporter.render().unwrap_or_default());
    }
}

#[test]
fn metrics_have_the_labels_that_the_tables_name() {
    let (exporter, _server) = migrated(prometheus::Registry::new());
    let families = named_with_labels();
    assert!(families.len() > 4, "{families:?}");
    for (name, labels) in families {
        let mut text = String::new();
        let found = eventually(DEADLINE, || {
            text = exporter.render().expect("it renders");
            let exposition = Exposition::parse(text.as_bytes()).expect("it renders valid text");
            let samples: Vec<_> =
                exposition.all_samples().iter().filter(|sample| of(&sample.name, name)).collect();
            let has = |sample: &&asdlc_tests::exposition::Sample| {
                let keys = sample.labels.iter().map(|(key, _)| key.as_str());
                keys.filter(|key| !["service", "le"].contains(key)).collect::<BTreeSet<_>>()
                    == labels
            };
            !samples.is_empty() && samples.iter().all(has)
        });
        assert!(found, "no {name} with exactly the labels {labels:?} in\n{text}");
    }
}

#[test]
fn the_relabelling_and_the_rules_keep_the_old_names_and_labels() {
    let (_exporter, server) = migrated(prometheus::Registry::new());
    let blocks = blocks("yaml");
    let [rules, scrapes] = blocks.as_slice() else { panic!("{blocks:?} is not rules and scrapes") };
    let rules = rules.replace("interval: 15s", "interval: 1s");
    let scrapes = scrapes.replace("127.0.0.1:3001", &server.address().to_string());
    let config = format!(
        "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nrule_files: [rules.yml]\n{scrapes}"
    );
    let prometheus = Prometheus::configured(&config, &[("rules.yml", &rules)]);
    for old in [
        "http_requests_total{method=\"GET\",path=\"/items/{id}\",status=\"200\"}",
        "http_requests_duration_seconds_bucket{path=\"/items/{id}\",le=~\"10|10.0\"}",
        "http_requests_duration_seconds_sum{path=\"/items/{id}\"}",
        "http_requests_duration_seconds_count{path=\"/items/{id}\"}",
    ] {
        assert!(eventually(DEADLINE, || prometheus.samples(old).len() == 1), "{old}");
    }
}

/// A migrated service with every metric that the guide names, after one request of each kind.
fn migrated(registry: prometheus::Registry) -> (Exporter, Server) {
    let exporter = Exporter::builder("shop").with_registry(registry).build();
    let exporter = exporter.expect("the name is valid");
    let meter = exporter.meter();
    let layer = HttpMetricsLayer::builder(MatchedRoute)
        .with_body_sizes()
        .with_time_to_headers()
        .build(&meter)
        .expect("its settings are valid");
    let router = Router::new()
        .route("/items/{id}", get(|| async { "an item" }))
        .route("/upload", post(|body: String| async { body }))
        .route("/fails", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .layer(layer.request_body_layer())
        .layer(layer)
        .route_service("/metrics", exporter.scrape_service());
    let server = Server::axum(router);
    let mut connection = Connection::open(server.address());
    connection.get("/items/1");
    connection.get("/fails");
    connection.post_json("/upload", "{}");

    meter.u64_counter("orders").build().add(1, &[KeyValue::new("paid", "yes")]);
    meter.f64_histogram("order_duration").with_unit("s").build().record(0.25, &[]);
    meter.u64_gauge("queue_length").build().record(3, &[]);
    let fields = Rule::prefixed_fields().with_label(Label::field("currency").with_values(["EUR"]));
    let layer = SpanMetricsLayer::new(&meter, [fields]).expect("the rule is valid");
    let coverage = layer.coverage();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info!(monotonic_counter.orders = 1, currency = "EUR");
        info!(histogram.order_value = 12.5, currency = "EUR");
    });
    assert!(eventually(DEADLINE, || coverage.pending().is_empty()), "{:?}", coverage.pending());
    (exporter, server)
}

/// A registry with what metrics-prometheus records. Its counters do not end in `_total`.
fn recorded_with_macros() -> prometheus::Registry {
    let registry = prometheus::Registry::new();
    let recorder = metrics_prometheus::Recorder::builder().with_registry(registry.clone()).build();
    metrics::with_local_recorder(&recorder, || {
        metrics::counter!("jobs", "queue" => "mail").increment(1);
        metrics::histogram!("job_seconds", "queue" => "mail").record(0.25);
    });
    registry
}

/// A program that had a provider: with our reader, the label `path` and metrics of its own.
fn existing() -> (SdkMeterProvider, Server) {
    let prometheus = PrometheusReader::builder().build().expect("its settings are valid");
    let resource = Resource::builder_empty()
        .with_service_name("shop")
        .with_attribute(KeyValue::new("service.version", "1.2.3"));
    let provider = SdkMeterProvider::builder()
        .with_resource(resource.build())
        .with_reader(prometheus.clone())
        .build();
    let layer = HttpMetricsLayer::builder(MatchedRoute)
        .with_label_key(HttpLabel::Endpoint, "path")
        .build(&provider)
        .expect("its settings are valid");
    let router = Router::new()
        .route("/items/{id}", get(|| async { "an item" }))
        .layer(layer)
        .route_service("/metrics", prometheus.scrape_service());
    let server = Server::axum(router);
    Connection::open(server.address()).get("/items/1");
    let meter = provider.meter("orders");
    meter.u64_counter("orders").build().add(1, &[]);
    meter.u64_gauge("disk").with_unit("By/s").build().record(1, &[]);
    (provider, server)
}

/// The guide's queries, each after a line `# before` or `# after`.
fn queries() -> (Vec<String>, Vec<String>) {
    let lines: Vec<_> =
        blocks("promql").iter().flat_map(|block| block.lines()).map(str::to_owned).collect();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for pair in lines.chunks(2) {
        match pair {
            [comment, query] if comment == "# before" => before.push(query.clone()),
            [comment, query] if comment == "# after" => after.push(query.clone()),
            _ => panic!("{pair:?} is not `# before` or `# after` and a query"),
        }
    }
    (before, after)
}

/// The guide's blocks of code in this language, without the indent of a list.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for line in GUIDE.lines() {
        let text = line.trim_start();
        match open.take() {
            Some((_, block)) if text == "```" => blocks.push(block),
            Some((indent, block)) => {
                open = Some((indent, block + line.get(indent..).unwrap_or_default() + "\n"));
            }
            None if text.strip_prefix("```") == Some(language) => {
                open = Some((line.len() - text.len(), String::new()));
            }
            None => {}
        }
    }
    blocks
}

/// Our HTTP metrics that the guide names with labels: `` `http_…{method,…}` ``.
fn named_with_labels() -> Vec<(&'static str, BTreeSet<&'static str>)> {
    let code = GUIDE.split('`').filter(|code| code.starts_with("http_"));
    let named = code.filter_map(|code| code.strip_suffix('}')?.split_once('{'));
    named.map(|(name, labels)| (name, labels.split(',').collect())).collect()
}

/// Whether a sample of this name belongs to the family.
fn of(sample: &str, family: &str) -> bool {
    let suffix = sample.strip_prefix(family);
    suffix.is_some_and(|suffix| ["", "_bucket", "_sum", "_count"].contains(&suffix))
}
