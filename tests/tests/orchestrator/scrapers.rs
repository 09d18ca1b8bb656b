//! The real programs that scrape or check the metrics.

use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::{
    Checked, Prometheus, QueryApi, Target, VictoriaMetrics, promtool_check_metrics,
};

use super::traffic::{self, Client};

// O-01 O-08
#[test]
fn promtool_has_no_findings_in_a_scrape() {
    let orchestrator = traffic::start();
    let fresh = orchestrator.scrape_response();
    assert_eq!(promtool_check_metrics(fresh.body()), Checked::clean());
    let mut client = Client::of(&orchestrator);
    client.one_of_each();
    client.sent.assert_counted(&orchestrator);
    assert_eq!(promtool_check_metrics(orchestrator.scrape_response().body()), Checked::clean());
}

// O-01 O-02
#[test]
fn prometheus_stores_all_requests_and_samples() {
    let orchestrator = traffic::start();
    let mut client = Client::of(&orchestrator);
    client.one_of_each();
    let scrape = client.sent.assert_counted(&orchestrator);
    let prometheus = Prometheus::scraping(orchestrator.address());
    assert_eq!(prometheus.target(), Target::up());
    assert_read(&prometheus, &client, &scrape);

    // Requests after its first scrape.
    client.one_of_each();
    let scrape = client.sent.assert_counted(&orchestrator);
    assert_read(&prometheus, &client, &scrape);
    assert_eq!(prometheus.target(), Target::up());
}

// O-01 O-02
#[test]
fn victoria_metrics_stores_all_requests_and_samples() {
    let orchestrator = traffic::start();
    let mut client = Client::of(&orchestrator);
    client.one_of_each();
    let scrape = client.sent.assert_counted(&orchestrator);
    let victoria_metrics = VictoriaMetrics::scraping(orchestrator.address());
    assert_read(&victoria_metrics, &client, &scrape);
    assert_eq!(victoria_metrics.target(), Target::up());
}

/// Checks that `server` has stored the requests of `client` and each sample of `scrape`.
#[track_caller]
fn assert_read(server: &impl QueryApi, client: &Client, scrape: &Exposition) {
    let total = client.sent.total();
    assert_eq!(server.query_until("sum(asdlc_http_requests_total)", total), Some(total));
    assert_eq!(
        server.query_until("sum(asdlc_http_request_duration_seconds_count)", total),
        Some(total)
    );
    let samples = scrape.all_samples().len() as f64;
    assert_eq!(
        server.query_until("scrape_samples_scraped{job=\"under-test\"}", samples),
        Some(samples)
    );
    let series = "count({job=\"under-test\",__name__!~\"up|scrape_.*\"})";
    assert_eq!(server.query_until(series, samples), Some(samples));
}
