//! A server in front of the orchestrator, to which the page cannot tell the difference: it passes requests on, range
//! queries to a real `VictoriaMetrics`, and answers wrongly when a test asks for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use asdlc_tests::client::Connection;
use asdlc_tests::in_process::Server;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::{Response, StatusCode, Uri, header};

pub(crate) struct Front {
    server: Server,
    behaviour: Arc<Mutex<Behaviour>>,
}

struct Behaviour {
    orchestrator: SocketAddr,
    queries: Answer,
    scrapes: Answer,
    queries_seen: usize,
    scrapes_seen: usize,
}

/// Where a sort of request goes.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// To a server that has it under the path it is asked for, or under that of the query API.
    From(SocketAddr),
    /// Nowhere: this status and body.
    Fixed(u16, &'static str),
}

impl Front {
    /// Passes everything to the orchestrator, but has no `VictoriaMetrics`.
    pub(crate) fn of(orchestrator: SocketAddr) -> Self {
        let behaviour = Arc::new(Mutex::new(Behaviour {
            orchestrator,
            queries: NO_VICTORIA_METRICS,
            scrapes: Answer::From(orchestrator),
            queries_seen: 0,
            scrapes_seen: 0,
        }));
        let router = Router::new().fallback(pass).with_state(Arc::clone(&behaviour));
        Self { server: Server::axum(router), behaviour }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn answer_queries(&self, answer: Answer) {
        lock(&self.behaviour).queries = answer;
    }

    pub(crate) fn answer_scrapes(&self, answer: Answer) {
        lock(&self.behaviour).scrapes = answer;
    }

    /// How many range queries and scrapes there were.
    pub(crate) fn seen(&self) -> [usize; 2] {
        let behaviour = lock(&self.behaviour);
        [behaviour.queries_seen, behaviour.scrapes_seen]
    }
}

async fn pass(State(behaviour): State<Arc<Mutex<Behaviour>>>, uri: Uri) -> Response<Body> {
    let (answer, path) = {
        let mut behaviour = lock(&behaviour);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        match uri.path() {
            "/metrics" => {
                behaviour.scrapes_seen += 1;
                (behaviour.scrapes, path.to_owned())
            }
            "/api/metrics/query_range" => {
                behaviour.queries_seen += 1;
                (behaviour.queries, path.replacen("/api/metrics/", "/api/v1/", 1))
            }
            _ => (Answer::From(behaviour.orchestrator), path.to_owned()),
        }
    };
    match answer {
        Answer::Fixed(status, body) => response(status, body.into()),
        Answer::From(server) => {
            let passed = tokio::task::spawn_blocking(move || Connection::open(server).get(&path));
            let Ok(mut answer) = passed.await else {
                // The client panics when nobody answers.
                return response(502, "gone".into());
            };
            // The body is whole now.
            answer.headers_mut().remove(header::TRANSFER_ENCODING);
            answer.map(Body::from)
        }
    }
}

fn response(status: u16, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

fn lock(behaviour: &Mutex<Behaviour>) -> MutexGuard<'_, Behaviour> {
    behaviour.lock().expect("no holder panics")
}

/// What the orchestrator says where no `VictoriaMetrics` is.
pub(crate) const NO_VICTORIA_METRICS: Answer = Answer::Fixed(
    503,
    r#"{"status":"error","errorType":"unavailable","error":"VictoriaMetrics is not configured"}"#,
);
