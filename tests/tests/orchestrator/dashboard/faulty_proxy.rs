//! A proxy in front of the orchestrator. It forwards requests to the orchestrator and range queries to a real `VictoriaMetrics`, and
//! responds itself, wrongly, if the test says so. The page cannot tell the difference.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use asdlc_tests::client::Connection;
use asdlc_tests::in_process::Server;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header};

pub(crate) struct FaultyProxy {
    server: Server,
    behaviour: Arc<Mutex<Behaviour>>,
}

struct Behaviour {
    orchestrator: SocketAddr,
    queries: Source,
    scrapes: Source,
    queries_seen: usize,
    scrapes_seen: usize,
}

/// The source of the responses to one kind of request.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// A server, at the requested path, or at that of the query API.
    From(SocketAddr),
    /// This status and body.
    Fixed(u16, &'static str),
}

impl FaultyProxy {
    /// Forwards everything to the orchestrator, without a `VictoriaMetrics`.
    pub(crate) fn of(orchestrator: SocketAddr) -> Self {
        let behaviour = Arc::new(Mutex::new(Behaviour {
            orchestrator,
            queries: NO_VICTORIA_METRICS,
            scrapes: Source::From(orchestrator),
            queries_seen: 0,
            scrapes_seen: 0,
        }));
        let router = Router::new().fallback(forward).with_state(Arc::clone(&behaviour));
        Self { server: Server::axum(router), behaviour }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn set_query_source(&self, source: Source) {
        lock(&self.behaviour).queries = source;
    }

    pub(crate) fn set_scrape_source(&self, source: Source) {
        lock(&self.behaviour).scrapes = source;
    }

    /// The number of range queries and of scrapes so far. The scrapes of one family, for its exemplars, do not count.
    pub(crate) fn seen(&self) -> [usize; 2] {
        let behaviour = lock(&self.behaviour);
        [behaviour.queries_seen, behaviour.scrapes_seen]
    }
}

async fn forward(
    State(behaviour): State<Arc<Mutex<Behaviour>>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let (source, path) = {
        let mut behaviour = lock(&behaviour);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        match uri.path() {
            "/metrics" => {
                behaviour.scrapes_seen += usize::from(uri.query().is_none());
                (behaviour.scrapes, path.to_owned())
            }
            "/api/metrics/query_range" => {
                behaviour.queries_seen += 1;
                (behaviour.queries, path.replacen("/api/metrics/", "/api/v1/", 1))
            }
            _ => (Source::From(behaviour.orchestrator), path.to_owned()),
        }
    };
    match source {
        Source::Fixed(status, body) => response(status, body.into()),
        Source::From(server) => {
            let mut request = Request::get(path);
            // The format of a scrape depends on it.
            if let Some(accept) = headers.get(header::ACCEPT) {
                request = request.header(header::ACCEPT, accept);
            }
            let request = request.body("").expect("a path is a URI");
            let forwarded =
                tokio::task::spawn_blocking(move || Connection::open(server).send(request));
            let Ok(mut response) = forwarded.await else {
                // The client panics if the server does not respond.
                return self::response(502, "no response".into());
            };
            // The body is complete now.
            response.headers_mut().remove(header::TRANSFER_ENCODING);
            response.map(Body::from)
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

/// The response of the orchestrator without a `VictoriaMetrics`.
pub(crate) const NO_VICTORIA_METRICS: Source = Source::Fixed(
    503,
    r#"{"status":"error","errorType":"unavailable","error":"VictoriaMetrics is not configured"}"#,
);
