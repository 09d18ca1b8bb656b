//! The servers of both generations start, are the programs that they shall be, scrape text, and leave nothing behind.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use asdlc_exporter::Exporter;
use asdlc_tests::client::Connection;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{
    Generation, Prometheus, QueryApi, Target, VictoriaMetrics, Vmagent, new_version,
};
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;

//
#[test]
fn the_stable_prometheus_scrapes_text_and_leaves_nothing_behind() {
    assert_prometheus_scrapes_text(Generation::Stable, "2.");
}

//
#[test]
fn the_new_prometheus_scrapes_text_and_leaves_nothing_behind() {
    assert_prometheus_scrapes_text(Generation::New, "3.");
}

//
#[test]
fn the_stable_victoria_metrics_scrapes_text_and_leaves_nothing_behind() {
    assert_victoria_metrics_scrapes_text(Generation::Stable);
}

//
#[test]
fn the_new_victoria_metrics_scrapes_text_and_leaves_nothing_behind() {
    assert_victoria_metrics_scrapes_text(Generation::New);
}

//
#[test]
fn the_stable_vmagent_scrapes_text_and_leaves_nothing_behind() {
    assert_vmagent_scrapes_text(Generation::Stable);
}

//
#[test]
fn the_new_vmagent_scrapes_text_and_leaves_nothing_behind() {
    assert_vmagent_scrapes_text(Generation::New);
}

#[track_caller]
fn assert_prometheus_scrapes_text(generation: Generation, major: &str) {
    let program = serve();
    let builder = Prometheus::builder(generation).with_interval(INTERVAL);
    let prometheus = builder.scraping(program.address());
    let version = prometheus.version();
    assert!(version.starts_with(major), "{version}");
    assert_eq!(prometheus.target(), Target::up());
    assert_reads_all(&prometheus, program.address());
    let started = Started::of(generation, prometheus.process().id());
    drop(prometheus);
    started.assert_gone();
}

#[track_caller]
fn assert_victoria_metrics_scrapes_text(generation: Generation) {
    let program = serve();
    let builder = VictoriaMetrics::builder(generation).with_interval(INTERVAL);
    let victoria_metrics = builder.scraping(program.address());
    assert_eq!(victoria_metrics.target(), Target::up());
    assert_reads_all(&victoria_metrics, program.address());
    let started = Started::of(generation, victoria_metrics.process().id());
    drop(victoria_metrics);
    started.assert_gone();
}

#[track_caller]
fn assert_vmagent_scrapes_text(generation: Generation) {
    let program = serve();
    let victoria_metrics = VictoriaMetrics::builder(generation).empty();
    let config = format!(
        "global: {{scrape_interval: 300ms}}\nscrape_configs: [{{job_name: under-test, static_configs: [{{targets: ['{}']}}]}}]\n",
        program.address()
    );
    let vmagent = Vmagent::start_of(generation, &config, victoria_metrics.address());
    victoria_metrics.await_rows();
    assert_reads_all(&victoria_metrics, program.address());
    let started = Started::of(generation, vmagent.process().id());
    drop(vmagent);
    started.assert_gone();
}

//
#[test]
fn the_new_packages_are_newer_than_those_of_the_stable_release() {
    // VictoriaMetrics of Debian does not say its version.
    for (package, minimum) in [("prometheus", [3, 5]), ("victoria-metrics", [1, 145])] {
        let version = new_version(package);
        let parts = version.split('.').take(2).map(|part| part.parse::<u32>().expect("a number"));
        assert!(parts.collect::<Vec<_>>() >= minimum.to_vec(), "{package} {version}");
    }
}

//
#[test]
fn a_feature_that_a_prometheus_does_not_have_is_known() {
    let program = serve();
    for (generation, unknown) in [
        (Generation::Stable, ["created-timestamp-zero-ingestion", "nonsense"].as_slice()),
        (Generation::New, &["nonsense"]),
    ] {
        let builder = Prometheus::builder(generation).with_native_histograms().with_exemplars();
        let builder = builder.with_start_times().with_feature("nonsense");
        let prometheus = builder.scraping(program.address());
        assert_eq!(prometheus.unknown_features(), unknown, "{generation:?}");
    }
}

/// An exporter of this process, with an instrument of each kind and a label value that has to be escaped.
fn serve() -> Server {
    let exporter = Exporter::builder("shop").build().expect("valid settings");
    let meter = exporter.meter_provider().meter("shop");
    let labels = [KeyValue::new("path", "C:\\new \"menu\"\nüñ")];
    meter.u64_counter("orders").build().add(3, &labels);
    meter.f64_gauge("load").build().record(0.25, &labels);
    meter.f64_histogram("wait").with_unit("s").build().record(0.004, &labels);
    Server::axum(Router::new().route_service("/metrics", exporter.scrape_service()))
}

/// Waits until the server has stored each series of the program's exposition, and checks three of the values.
#[track_caller]
fn assert_reads_all(server: &impl QueryApi, program: SocketAddr) {
    let body = Connection::open(program).get("/metrics").into_body();
    let exposition = Exposition::parse(&body).expect("it is valid");
    let samples = exposition.all_samples().len() as f64;
    let stored = "count({job=\"under-test\",__name__!~\"up|scrape_.*\"})";
    let mut last = None;
    let all = eventually(DEADLINE, || {
        last = server.query(stored);
        last == Some(samples)
    });
    assert!(all, "{last:?} of {samples} series are stored");
    let path = "path=\"C:\\\\new \\\"menu\\\"\\nüñ\"";
    for (series, value) in [
        (format!("orders_total{{{path}}}"), 3.0),
        (format!("load{{{path}}}"), 0.25),
        (format!("wait_seconds_count{{{path}}}"), 1.0),
        (format!("wait_seconds_sum{{{path}}}"), 0.004),
    ] {
        assert_eq!(server.query(&series), Some(value), "{series}");
    }
}

/// What a started server has on the machine.
struct Started {
    process: PathBuf,
    directory: PathBuf,
}

impl Started {
    /// Checks that a new one runs the program that was unpacked.
    #[track_caller]
    fn of(generation: Generation, id: u32) -> Self {
        let process = Path::new("/proc").join(id.to_string());
        let program = fs::read_link(process.join("exe")).expect("it runs");
        if generation == Generation::New {
            let name = program.file_name().and_then(|name| name.to_str()).expect("it has a name");
            let new = generation.program(name).canonicalize().expect("it exists");
            assert_eq!(program, new);
        }
        let arguments = fs::read_to_string(process.join("cmdline")).expect("it runs");
        let directory = arguments
            .split('\0')
            .filter_map(|argument| Path::new(argument.split_once('=')?.1).parent())
            .find(|directory| directory.is_dir() && directory.starts_with(std::env::temp_dir()));
        Self { process, directory: directory.expect("it has a temporary directory").into() }
    }

    #[track_caller]
    fn assert_gone(&self) {
        assert!(!self.process.exists(), "{:?}", self.process);
        assert!(!self.directory.exists(), "{:?}", self.directory);
    }
}

const INTERVAL: Duration = Duration::from_millis(300);
