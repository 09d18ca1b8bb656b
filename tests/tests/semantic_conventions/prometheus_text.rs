//! What a scrape of a real server has.

use std::collections::{BTreeMap, BTreeSet};

use asdlc_exporter::Exporter;
use asdlc_exporter::prometheus::Registry;
use asdlc_tests::client::Connection;
use asdlc_tests::exposition::{Exposition, Kind};
use asdlc_tests::in_process::Server;
use asdlc_tests::servers::promtool_check_metrics;
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use tokio::runtime::Runtime;
use tower_asdlc_metrics::Conventions;

use super::Setup;
use super::clients::send_all;
use super::servers::Servers;
use super::specification::{Metric, families};

const BOTH: Setup = Setup { conventions: Conventions::Both, has_opt_in: true };

// X-10 X-11
#[test]
fn a_scrape_has_the_families_of_both_conventions_with_their_help_type_and_labels() {
    let registry = Registry::new();
    let official = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
    let exporter =
        Exporter::builder("under-test").with_reader(official.expect("it builds")).build();
    let exporter = exporter.expect("the name is valid");
    let servers = Servers::start(exporter.sdk_meter_provider(), BOTH);
    let runtime = Runtime::new().expect("a runtime can be built");
    runtime.block_on(send_all(exporter.sdk_meter_provider(), BOTH, &servers));

    let metrics = Router::new().route_service("/metrics", exporter.scrape_service());
    let metrics = Server::axum(metrics);
    let scrape = || Connection::open(metrics.address()).get("/metrics").into_body();
    let parse = |text: &[u8]| Exposition::parse(text).expect("it is valid");
    let all = || {
        let exposition = parse(&scrape());
        let requests = exposition.sum("http_requests_total");
        requests == 16.0 && exposition.sum("http_requests_in_flight") == 0.0
    };
    assert!(eventually(DEADLINE, all));
    let text = scrape();
    promtool_check_metrics(&text).accepted();
    let exposition = parse(&text);

    let ours = exposition.families().iter().filter(|family| is_ours(&family.name));
    let kinds: BTreeMap<_, _> = ours.map(|family| (&*family.name, family.kind)).collect();
    let semantic = families();
    let semantic_kinds = Metric::all().into_iter().map(|metric| {
        let is_histogram = metric.instrument == "Histogram";
        let kind = if is_histogram { Kind::Histogram } else { Kind::Gauge };
        (&*semantic[&metric.name], Some(kind))
    });
    // Three histograms of the client have the same name in both conventions.
    let expected: BTreeMap<_, _> =
        semantic_kinds.chain(PROMETHEUS.map(|(n, k)| (n, Some(k)))).collect();
    assert_eq!(kinds, expected);
    assert_eq!(kinds.len(), Metric::all().len() + PROMETHEUS.len() - 3);

    // The document says how to tell their series apart.
    let client = exposition.samples("http_client_request_duration_seconds_count");
    let of_both = client.filter(|sample| sample.value > 0.0).map(|sample| {
        let labels = ["host", "server_address"].map(|key| sample.label(key).is_some());
        (labels, sample.value)
    });
    let counts = of_both.fold(BTreeMap::new(), |mut counts: BTreeMap<_, f64>, (labels, count)| {
        *counts.entry(labels).or_default() += count;
        counts
    });
    // All 17 requests of the client in Prometheus' convention, and those that are no gRPC calls in OpenTelemetry's.
    assert_eq!(counts, [([true, false], 17.0), ([false, true], 12.0)].into());

    let of_official: BTreeSet<_> = registry.gather().iter().map(|f| f.name().to_owned()).collect();
    let of_official = of_official.iter().map(String::as_str).filter(|name| is_ours(name));
    assert_eq!(of_official.collect::<BTreeSet<_>>(), kinds.into_keys().collect());

    for metric in Metric::all() {
        let family = &semantic[&metric.name];
        if !PROMETHEUS.iter().any(|(name, _)| name == family) {
            let help = exposition.family(family).and_then(|family| family.help.as_deref());
            assert_eq!(help, Some(&*metric.description), "{family}");
            assert_eq!(
                keys(&exposition, &metric, family),
                expected_keys(&metric, family),
                "{family}"
            );
        }
    }
}

/// The keys of the labels, by the name of the sample.
fn keys(
    exposition: &Exposition,
    metric: &Metric,
    family: &str,
) -> BTreeMap<String, BTreeSet<String>> {
    let names = sample_names(metric, family).into_iter();
    names
        .map(|name| {
            let labels = exposition.samples(&name).flat_map(|sample| &sample.labels);
            let keys = labels.map(|(key, _)| key.clone()).collect();
            (name, keys)
        })
        .collect()
}

fn expected_keys(metric: &Metric, family: &str) -> BTreeMap<String, BTreeSet<String>> {
    let attributes = metric.attributes.iter().filter(|attribute| !attribute.is_left_out);
    let mut keys: BTreeSet<_> =
        attributes.map(|attribute| attribute.key.replace('.', "_")).collect();
    keys.insert("service".to_owned());
    let names = sample_names(metric, family).into_iter();
    names
        .map(|name| {
            let le = name.ends_with("_bucket").then(|| "le".to_owned());
            (name, keys.iter().cloned().chain(le).collect())
        })
        .collect()
}

fn sample_names(metric: &Metric, family: &str) -> Vec<String> {
    let is_histogram = metric.instrument == "Histogram";
    let suffixes: &[&str] = if is_histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
    suffixes.iter().map(|suffix| format!("{family}{suffix}")).collect()
}

/// Not the exporter's own families.
fn is_ours(family: &str) -> bool {
    family.starts_with("http_") || family.starts_with("rpc_")
}

/// The families of Prometheus' convention with all its body sizes.
const PROMETHEUS: [(&str, Kind); 12] = [
    ("http_requests_total", Kind::Counter),
    ("http_requests_failed_total", Kind::Counter),
    ("http_request_duration_seconds", Kind::Histogram),
    ("http_requests_in_flight", Kind::Gauge),
    ("http_request_body_size_bytes", Kind::Histogram),
    ("http_response_body_size_bytes", Kind::Histogram),
    ("http_client_requests_total", Kind::Counter),
    ("http_client_requests_failed_total", Kind::Counter),
    ("http_client_request_duration_seconds", Kind::Histogram),
    ("http_client_requests_in_flight", Kind::Gauge),
    ("http_client_request_body_size_bytes", Kind::Histogram),
    ("http_client_response_body_size_bytes", Kind::Histogram),
];
