//! A proxy behind a real socket, mounted as users mount it.

use std::net::SocketAddr;
use std::time::Duration;

use asdlc_exporter::Exporter;
use asdlc_exporter::victoria_metrics::{QueryProxy, QueryProxyBuilder};
use asdlc_tests::client::Connection;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process::Server;
use axum::Router;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::Value;

pub(crate) struct Proxy {
    exporter: Exporter,
    server: Server,
}

impl Proxy {
    /// In front of this URL, with a timeout that failing answers run into.
    pub(crate) fn of(url: &str) -> Self {
        Self::with(QueryProxy::builder(url).with_timeout(Duration::from_secs(2)))
    }

    /// In front of this URL, with more time than a test takes.
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

    /// The same, for who takes gzip.
    pub(crate) fn get_gzip(&self, path: &str) -> Response<Bytes> {
        let request = Request::get(format!("/api/metrics{path}")).header("accept-encoding", "gzip");
        self.connect().send(request.body("").unwrap())
    }

    /// The sum of the samples of this family whose labels are among theirs.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = self.exporter.render().unwrap();
        let exposition = Exposition::parse(text.as_bytes()).unwrap();
        let samples = exposition.samples(name).filter(|sample| sample.has(labels));
        samples.map(|sample| sample.value).sum()
    }
}

/// Status, `errorType` and `error` of an error in the one envelope.
#[track_caller]
pub(crate) fn error_of(answer: &Response<Bytes>) -> (StatusCode, String, String) {
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let body: Value = serde_json::from_slice(answer.body()).expect("errors are JSON");
    assert_eq!(body["status"], "error", "{body}");
    let text = |key: &str| body[key].as_str().unwrap_or_else(|| panic!("{key}: {body}")).to_owned();
    (answer.status(), text("errorType"), text("error"))
}

/// Status and `errorType`.
#[track_caller]
pub(crate) fn failure_of(answer: &Response<Bytes>) -> (u16, String) {
    let (status, kind, _) = error_of(answer);
    (status.as_u16(), kind)
}

/// A query that every upstream of these tests may be asked.
pub(crate) const QUERY: &str = "/query?query=up&time=1700000000";
