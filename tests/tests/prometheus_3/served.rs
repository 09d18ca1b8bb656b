//! An exporter of this process behind a socket that records in which formats it was scraped.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use asdlc_exporter::Exporter;
use asdlc_tests::client::Connection;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process::Server;
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use http::header::CONTENT_TYPE;
use tower::ServiceBuilder;

/// A served exporter.
pub(crate) struct Served {
    server: Server,
    /// The number of answers with each `Content-Type`.
    answers: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Served {
    pub(crate) fn start(exporter: &Exporter) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"), exporter)
    }

    pub(crate) fn on(listener: TcpListener, exporter: &Exporter) -> Self {
        let answers = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let counted = Arc::clone(&answers);
        let service = ServiceBuilder::new()
            .map_response(move |response: http::Response<_>| {
                let content_type = response.headers()[CONTENT_TYPE].to_str().expect("ASCII");
                // Not one that is too late for a busy server.
                if response.status().is_success() {
                    let mut answers = counted.lock().expect("no holder panics");
                    *answers.entry(content_type.to_owned()).or_default() += 1;
                }
                response
            })
            .service(exporter.scrape_service());
        let server = Server::axum_on(listener, Router::new().route_service(PATH, service));
        Self { server, answers }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How many answers had a `Content-Type` that starts with this.
    pub(crate) fn answers(&self, content_type: &str) -> usize {
        let answers = self.answers.lock().expect("no holder panics");
        let matching = answers.iter().filter(|(it, _)| it.starts_with(content_type));
        matching.map(|(_, count)| count).sum()
    }

    /// Waits for this many further answers whose `Content-Type` starts with this.
    #[track_caller]
    pub(crate) fn await_answers(&self, content_type: &str, count: usize) {
        let enough = self.answers(content_type) + count;
        let answered = eventually(DEADLINE, || self.answers(content_type) >= enough);
        assert!(answered, "it is not scraped");
    }

    /// In text format 0.0.4.
    pub(crate) fn exposition(&self) -> Exposition {
        let body = Connection::open(self.address()).get(PATH).into_body();
        Exposition::parse(&body).unwrap_or_else(|violations| {
            panic!("not valid: {violations:#?}\n{}", String::from_utf8_lossy(&body))
        })
    }
}

/// Where it is served.
pub(crate) const PATH: &str = "/metrics";
