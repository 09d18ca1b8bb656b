//! A page of metrics with OpenTelemetry's names, as a Prometheus exporter writes them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use asdlc_tests::in_process::Server;
use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};

use super::scraping::every_second;

/// Two services, one with the namespace `asdlc`. At each scrape, [`REQUESTS`] more requests have ended.
pub(crate) struct Page {
    server: Server,
}

/// A label set of a duration histogram, and the requests that each scrape adds to it.
struct Requests {
    histogram: &'static str,
    labels: &'static str,
    added: u64,
}

impl Page {
    pub(crate) fn start() -> Self {
        let scrapes = Arc::new(AtomicU64::new(0));
        let page = async move || text(scrapes.fetch_add(1, Ordering::Relaxed));
        Self { server: Server::axum(Router::new().route("/metrics", get(page))) }
    }

    /// A scrape configuration with one job.
    pub(crate) fn config(&self) -> String {
        let mut config = json!({ "scrape_configs": [self.job()] });
        every_second(&mut config);
        config.to_string()
    }

    /// The job that scrapes the page.
    pub(crate) fn job(&self) -> Value {
        json!({
            "job_name": "opentelemetry",
            "honor_labels": true,
            "static_configs": [{ "targets": [self.server.address()] }],
        })
    }

    /// The names of its samples, without namespace.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let samples = text(1);
        let samples = samples.lines().filter(|line| !line.starts_with('#'));
        let names = samples.filter_map(|line| Some(line.split_once('{')?.0));
        names.map(|name| name.trim_start_matches("asdlc_").to_owned()).collect()
    }
}

fn text(scrapes: u64) -> String {
    let mut text = String::new();
    for (namespace, service) in [("", "shop"), ("asdlc_", "named-shop")] {
        for histogram in [HTTP, RPC] {
            text.push_str(&format!("# TYPE {namespace}{histogram} histogram\n"));
            for Requests { labels, added, .. } in
                REQUESTS.iter().filter(|it| it.histogram == histogram)
            {
                let labels = format!("service=\"{service}\",{labels}");
                let count = scrapes * added;
                // Half of the requests take up to 0.1 s, the others up to 0.25 s.
                for (boundary, requests) in
                    [("0.075", 0), ("0.1", count / 2), ("0.25", count), ("+Inf", count)]
                {
                    text.push_str(&format!(
                        "{namespace}{histogram}_bucket{{{labels},le=\"{boundary}\"}} {requests}\n"
                    ));
                }
                let sum = count as f64 * 0.125;
                text.push_str(&format!("{namespace}{histogram}_sum{{{labels}}} {sum}\n"));
                text.push_str(&format!("{namespace}{histogram}_count{{{labels}}} {count}\n"));
            }
        }
        text.push_str(&format!(
            "# TYPE {namespace}{ACTIVE} gauge\n\
             {namespace}{ACTIVE}{{service=\"{service}\",http_request_method=\"GET\",url_scheme=\"http\"}} 3\n"
        ));
    }
    text
}

/// The share of requests that count against the objective.
pub(crate) const ERRORS: f64 = 0.2;

/// 100 requests. The comments say which are errors.
const REQUESTS: [Requests; 9] = [
    http(
        r#"http_request_method="GET",http_route="/items/{id}",http_response_status_code="200""#,
        50,
    ),
    http(r#"http_request_method="GET",http_response_status_code="404""#, 10),
    // An error.
    http(
        r#"http_request_method="GET",http_route="/items/{id}",http_response_status_code="503",error_type="503""#,
        6,
    ),
    // An error: a time limit.
    http(r#"http_request_method="POST",http_route="/items",http_response_status_code="408""#, 4),
    http(r#"http_request_method="POST",http_route="/items",error_type="cancelled""#, 8),
    http(
        r#"http_request_method="GET",http_response_status_code="200",otel_metric_overflow="true""#,
        2,
    ),
    rpc(r#"rpc_method="shop.Items/Get",rpc_response_status_code="OK""#, 8),
    rpc(r#"rpc_method="_OTHER",rpc_response_status_code="NOT_FOUND""#, 2),
    // An error.
    rpc(
        r#"rpc_method="shop.Items/Get",rpc_response_status_code="DEADLINE_EXCEEDED",error_type="DEADLINE_EXCEEDED""#,
        10,
    ),
];

const fn http(labels: &'static str, added: u64) -> Requests {
    Requests { histogram: HTTP, labels, added }
}

const fn rpc(labels: &'static str, added: u64) -> Requests {
    Requests { histogram: RPC, labels, added }
}

const HTTP: &str = "http_server_request_duration_seconds";
const RPC: &str = "rpc_server_call_duration_seconds";
const ACTIVE: &str = "http_server_active_requests";
