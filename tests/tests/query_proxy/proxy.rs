//! A proxy on a real socket, mounted in a router as users do it.

use std::net::SocketAddr;
use std::time::Duration;

use asdlc_exporter::Exporter;
use asdlc_exporter::victoria_metrics::{QueryProxy, QueryProxyBuilder};
use asdlc_tests::client::Connection;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process::Server;
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::Value;

pub(crate) struct Proxy {
    exporter: Exporter,
    server: Server,
}

impl Proxy {
    /// A proxy of this URL, with a timeout that failing upstreams reach.
    pub(crate) fn of(url: &str) -> Self {
        Self::with(QueryProxy::builder(url).with_timeout(Duration::from_secs(2)))
    }

    /// A proxy of this URL, with a timeout that is longer than a test.
    pub(crate) fn patient(url: &str) -> Self {
        Self::with(QueryProxy::builder(url))
    }

    pub(crate) fn with(builder: QueryProxyBuilder) -> Self {
        let exporter = Exporter::builder("proxy").build().unwrap();
        let proxy = builder.build(&exporter.meter()).unwrap();
        let server = Server::axum(Router::new().nest_service("/api/metrics", proxy));
        Self { exporter, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// `GET` below the prefix, on a new connection.
    pub(crate) fn get(&self, path: &str) -> Response<Bytes> {
        self.connect().get(&format!("/api/metrics{path}"))
    }

    /// The same, with `Accept-Encoding: gzip`.
    pub(crate) fn get_gzip(&self, path: &str) -> Response<Bytes> {
        let request = Request::get(format!("/api/metrics{path}")).header("accept-encoding", "gzip");
        self.connect().send(request.body("").unwrap())
    }

    /// The sum of the samples of this family that have these labels.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = self.exporter.render().unwrap();
        let exposition = Exposition::parse(text.as_bytes()).unwrap();
        let samples = exposition.samples(name).filter(|sample| sample.has(labels));
        samples.map(|sample| sample.value).sum()
    }

    /// Waits until this many requests are in flight.
    #[track_caller]
    pub(crate) fn await_in_flight(&self, requests: f64) {
        let in_flight = || self.metric("query_proxy_requests_in_flight", &[]);
        let reached = eventually(DEADLINE, || in_flight() == requests);
        assert!(reached, "{} requests are in flight, not {requests}", in_flight());
    }
}

/// Status, `errorType` and `error` of an error response.
#[track_caller]
pub(crate) fn error_of(response: &Response<Bytes>) -> (StatusCode, String, String) {
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = serde_json::from_slice(response.body()).expect("errors are JSON");
    assert_eq!(body["status"], "error", "{body}");
    let text = |key: &str| body[key].as_str().unwrap_or_else(|| panic!("{key}: {body}")).to_owned();
    (response.status(), text("errorType"), text("error"))
}

/// Status and `errorType`.
#[track_caller]
pub(crate) fn failure_of(response: &Response<Bytes>) -> (u16, String) {
    let (status, kind, _) = error_of(response);
    (status.as_u16(), kind)
}

/// An instant query.
pub(crate) const QUERY: &str = "/query?query=up&time=1700000000";

/// A range query.
pub(crate) const RANGE: &str = "/query_range?query=up&start=0&end=60&step=15";
