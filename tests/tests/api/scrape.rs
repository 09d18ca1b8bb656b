//! The responses of `/v1/metrics`, except the metrics of requests.

use asdlc_tests::example::assert_counts_uptime;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::{Checked, promtool_check_metrics};

use http::header;

use super::harness::{Api, EVENT};

//
#[test]
fn a_scrape_is_valid_text_as_soon_as_the_server_listens() {
    let api = Api::start();
    let response = api.connect().get("/v1/metrics");
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    Exposition::parse(response.body()).expect("it is valid");
    assert_eq!(promtool_check_metrics(response.body()), Checked::clean());
}

//
#[test]
fn exactly_the_expected_families_are_served() {
    let api = Api::start();
    api.await_taken();
    api.post("{");
    let scrape = api.metrics_when(|scrape| scrape.sum("http_requests_failed_total") >= 1.0);
    let names: Vec<_> = scrape.families().iter().map(|family| family.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "db_client_connection_max",
            "db_client_connections",
            "http_request_duration_seconds",
            "http_requests_failed_total",
            "http_requests_in_flight",
            "http_requests_total",
            "process_memory_bytes",
            "redis_connection_up",
            "service_info",
            "service_starts_total",
            "uptime_seconds",
        ]
    );
    assert!(scrape.families().iter().all(|family| family.help.is_some()), "{scrape:#?}");
}

//
#[test]
fn the_pool_of_the_database_is_served() {
    let api = Api::start();
    api.post(EVENT);
    let pool = ("db_client_connection_pool_name", "events");
    let count = |scrape: &Exposition, state| {
        scrape.value("db_client_connections", &[pool, ("db_client_connection_state", state)])
    };
    // One connection to the SQLite file, which is opened at the start.
    let scrape = api.metrics_when(|scrape| count(scrape, "idle") == Some(1.0));
    assert_eq!(count(&scrape, "used"), Some(0.0));
    assert_eq!(scrape.value("db_client_connection_max", &[pool]), Some(1.0));
}

//
#[test]
fn uptime_counts_the_seconds_since_this_start() {
    assert_counts_uptime(Api::start, |api| {
        let uptime = api.metrics().value("uptime_seconds", &[("service", "api")]);
        uptime.expect("the gauge exists")
    });
}

//
#[test]
fn service_and_environment_are_on_every_series() {
    for (environment, expected) in [
        (&[][..], [("service", "api"), ("environment", "development")]),
        (
            &[("SERVICE_NAME", "shop-events"), ("ENVIRONMENT", "staging")],
            [("service", "shop-events"), ("environment", "staging")],
        ),
        (
            &[("SERVICE_NAME", "a \"b\" \\ c"), ("ENVIRONMENT", "")],
            [("service", "a \"b\" \\ c"), ("environment", "development")],
        ),
    ] {
        let api = Api::start_with(environment);
        api.post(EVENT);
        let scrape = api.metrics_when(|scrape| scrape.sum("http_requests_total") >= 1.0);
        scrape.assert_all_have(&expected);
    }
}
