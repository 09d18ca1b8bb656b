//! With a real `VictoriaMetrics` the page draws its data.

use asdlc_tests::servers::{QueryApi, VictoriaMetrics};
use asdlc_tests::wait::{DEADLINE, eventually};

use super::super::traffic::{self, Client};
use super::faulty_proxy::NO_VICTORIA_METRICS;
use super::faulty_proxy::Source;
use super::{Page, await_quiet};

// O-09
#[test]
fn the_values_are_those_of_victoria_metrics() {
    let orchestrator = traffic::start();
    let victoria_metrics = VictoriaMetrics::scraping(orchestrator.address());
    let page = Page::of(orchestrator.address());
    page.await_text("#source", "Live from /metrics");
    page.proxy.set_query_source(Source::From(victoria_metrics.address()));
    // Series that are not indexed yet have no result. The page would retry only after half a minute, so the test refreshes it.
    let is_stored = || {
        let stored = page.text("#source").starts_with("From VictoriaMetrics");
        if !stored {
            page.click("#refresh");
        }
        stored
    };
    assert!(eventually(DEADLINE, is_stored), "{}", page.text("#note"));

    await_quiet(&orchestrator);
    let mut client = Client::of(&orchestrator);
    for _ in 0..3 {
        client.one_of_each();
    }
    let scrape = orchestrator.scrape();
    let stored = |promql: &str, value: f64| victoria_metrics.query_until(promql, value);
    let requests = scrape.sum("asdlc_http_requests_total");
    assert_eq!(stored("sum(asdlc_http_requests_total)", requests), Some(requests));
    // All requests were within the window of one minute. VictoriaMetrics decides whether a series without an earlier sample counts
    // from zero, so the requests of the page's own files may or may not be included.
    let [client_errors, server_errors] =
        [['4'], ['5']].map(|digits| client.sent.with_status(&digits).total());
    let expected = |requests: f64| {
        [
            ("requests: all", requests / 60.0),
            ("requests: 4xx", client_errors / 60.0),
            ("requests: 5xx", server_errors / 60.0),
            ("errors: 5xx", server_errors / requests),
            ("errors: any failure", (client_errors + server_errors) / requests),
            ("events: tasks done", 3.0 / 60.0),
            ("in-flight: in flight", 0.0),
        ]
    };
    let mut differ = Vec::new();
    let agree = eventually(DEADLINE, || {
        if !is_stored() {
            return false;
        }
        let requests = victoria_metrics.query("sum(increase(asdlc_http_requests_total[60s]))");
        differ = expected(requests.expect("there were some"))
            .map(|(line, expected)| (line, expected, page.value(line)))
            .into_iter()
            .filter(|(_, expected, shown)| {
                shown.is_none_or(|shown| (shown - expected).abs() > 1e-9)
            })
            .collect();
        differ.is_empty()
    });
    assert!(agree, "{differ:?}; {}", page.text("[role=status]"));
    assert_eq!(page.text("#note"), "");
    for (line, q) in [("latency: p50", "0.5"), ("latency: p90", "0.9"), ("latency: p99", "0.99")] {
        let promql = format!(
            "histogram_quantile({q}, sum(increase(asdlc_http_request_duration_seconds_bucket[60s])) by (le))"
        );
        let stored = victoria_metrics.query(&promql).expect("there were requests");
        let shown = page.value(line).expect("it is drawn");
        assert!((shown - stored).abs() < 1e-9, "{line}: {shown}, {stored} is stored");
    }
    let resident = page.value("memory: resident").expect("it is drawn");
    assert!(resident > 1e6, "{resident}");
    page.await_text("#uptime", "up ");
    // The page itself no longer scrapes.
    let [_, scrapes] = page.proxy.seen();
    let [queries, _] = page.proxy.seen();
    assert!(eventually(DEADLINE, || page.proxy.seen()[0] > queries + 1));
    assert_eq!(page.proxy.seen()[1], scrapes);

    // A wider range is another query.
    page.click("input[value='21600']");
    assert!(eventually(DEADLINE, || page.value("memory: resident").is_some()));

    // Without VictoriaMetrics the page is live again.
    page.proxy.set_query_source(NO_VICTORIA_METRICS);
    page.await_text("#source", "Live from /metrics");
    page.await_text("#note", "status 503");
    page.assert_console_is_empty();
}
