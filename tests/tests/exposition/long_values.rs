//! A name, help text or label value that is too long for a scraper does not make it reject the whole target.

use asdlc_exporter::{Exporter, prometheus::IntGauge, prometheus::Registry};
use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{QueryApi, VictoriaMetrics, Vmagent};
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use opentelemetry::KeyValue;

const SERIES: usize = 1_500;

/// An exposition with texts that are too long. It has more than a megabyte, because vmagent reads only then line by line.
fn serve() -> (Server, Exporter) {
    let registry = Registry::new();
    let long_name = IntGauge::new("n".repeat(300_000), "Long.").expect("a valid name");
    registry.register(Box::new(long_name)).expect("the name is free");
    let exporter =
        Exporter::builder("shop").with_registry(registry).build().expect("the settings are valid");
    let help = "h".repeat(300_000);
    let jobs = exporter.meter().u64_counter("jobs").with_description(help).build();
    for at in 0..SERIES {
        jobs.add(1, &[KeyValue::new("query", format!("{at}{}", "x".repeat(1_010)))]);
    }
    let odd = exporter.meter().u64_counter("odd").build();
    odd.add(1, &[KeyValue::new("query", "\"é".repeat(512 * 1024))]);
    let many = (0..1_000).map(|at| KeyValue::new(format!("label_{at:04}"), "\\".repeat(1_024)));
    odd.add(1, &many.collect::<Vec<_>>());
    odd.add(1, &[KeyValue::new("k".repeat(300_000), "x")]);
    let router = Router::new().route_service("/metrics", exporter.scrape_service());
    (Server::axum(router), exporter)
}

#[track_caller]
fn assert_scraped(server: &impl QueryApi) {
    // vmagent reads a large response line by line from the second scrape on.
    let scrapes = "sum(count_over_time(up[5m])) >= bool 5";
    for (query, expected) in [
        (scrapes, 1.0),
        ("min(min_over_time(up[5m]))", 1.0),
        ("sum(jobs_total)", SERIES as f64),
        ("count(odd_total)", 3.0),
    ] {
        let mut last = None;
        let reached = eventually(DEADLINE, || {
            last = server.query(query);
            last == Some(expected)
        });
        assert!(reached, "{query} is {last:?}");
    }
}

// F-16
#[test]
fn vmagent_accepts_the_target() {
    let (server, _exporter) = serve();
    let victoria_metrics = VictoriaMetrics::empty();
    let config = format!(
        "scrape_configs:\n- job_name: shop\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['{}']\n",
        server.address()
    );
    let _vmagent = Vmagent::start(&config, victoria_metrics.address());
    assert_scraped(&victoria_metrics);
}

// F-16, a neighbour
#[test]
fn victoria_metrics_accepts_the_target() {
    let (server, _exporter) = serve();
    assert_scraped(&VictoriaMetrics::scraping(server.address()));
}
