//! A thousand clients disconnect at random moments while as many others read to the end. Each request is counted once, with its
//! outcome.
//!
//! The service itself records how each handler and each body ended. The metrics are compared with that.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use asdlc_exporter::Exporter;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process::Server;
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tower_asdlc_metrics::HttpMetricsLayer;

/// How many clients disconnect, a third of them in each way. As many others do not.
const DISCONNECTING: u64 = 1_000;

//
#[test]
fn each_client_that_disconnects_is_counted_once_with_its_outcome() {
    let exporter = Exporter::builder("under-test").build().expect("the name is valid");
    let service = Service::default();
    let router = Router::new()
        .route("/download", get(download))
        .route("/upload", post(upload))
        .route("/late", get(late))
        .with_state(service.clone())
        .layer(HttpMetricsLayer::new(&exporter.meter()));
    let server = Server::axum(router);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");

    let address = server.address();
    runtime.block_on(async {
        // A few at a time, so that clients disconnect at different points of their requests.
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..DISCONNECTING {
            if clients.len() == 32 {
                clients.join_next().await.expect("the set is full").expect("no client panics");
            }
            clients.spawn(disconnecting(address, service.clone(), number));
            clients.spawn(patient(address, service.clone(), DISCONNECTING + number));
        }
        clients.join_all().await;
    });

    let ended = || exposition(&exporter).sum("http_requests_total") >= (2 * DISCONNECTING) as f64;
    assert!(eventually(DEADLINE, ended), "{:?}", service.outcomes());
    let exposition = exposition(&exporter);
    let outcomes = service.outcomes();
    assert_eq!(outcomes.values().sum::<u64>(), 2 * DISCONNECTING, "{outcomes:?}");
    assert_eq!(exposition.sum("http_requests_total"), (2 * DISCONNECTING) as f64);
    assert_eq!(exposition.sum("http_request_duration_seconds_count"), (2 * DISCONNECTING) as f64);
    let by_type = exposition.sum_by("http_requests_failed_total", ["error_type", "status"]);
    let of = |error: &str, status: &str| {
        by_type.get(&[error.to_owned(), status.to_owned()]).copied().unwrap_or(0.0) as u64
    };
    let count = |outcome: &Outcome| outcomes.get(outcome).copied().unwrap_or(0);
    let (cancelled, aborted) = (count(&Outcome::Cancelled), count(&Outcome::Aborted));
    assert_eq!(of("cancelled", "499"), cancelled, "{by_type:?} {outcomes:?}");
    assert_eq!(of("aborted", "200"), aborted, "{by_type:?} {outcomes:?}");
    let failed = exposition.sum("http_requests_failed_total") as u64;
    assert_eq!(failed, cancelled + aborted, "{by_type:?}");
    // Each way to disconnect has really happened, and all other clients were served.
    assert!(cancelled >= DISCONNECTING / 6 && aborted >= DISCONNECTING / 3, "{outcomes:?}");
    assert!(count(&Outcome::Complete) >= DISCONNECTING, "{outcomes:?}");
    let in_flight = || self::exposition(&exporter).sum("http_requests_in_flight") == 0.0;
    assert!(eventually(DEADLINE, in_flight));
}

fn exposition(exporter: &Exporter) -> Exposition {
    let body = exporter.render().expect("it renders");
    Exposition::parse(body.as_ref()).expect("it renders valid text")
}

/// The service's own record.
#[derive(Clone, Debug, Default)]
struct Service(Arc<Record>);

#[derive(Debug, Default)]
struct Record {
    /// The clients that wait until their request has arrived, by number.
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
    outcomes: [AtomicU64; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Complete,
    Cancelled,
    Aborted,
}

impl Service {
    fn outcomes(&self) -> BTreeMap<Outcome, u64> {
        [Outcome::Complete, Outcome::Cancelled, Outcome::Aborted]
            .map(|outcome| (outcome, self.0.outcomes[outcome as usize].load(Ordering::Relaxed)))
            .into()
    }

    /// The receiver is ready when request `number` has arrived.
    fn expect(&self, number: u64) -> oneshot::Receiver<()> {
        let (arrived, arrival) = oneshot::channel();
        self.0.waiting.lock().expect("no holder panics").insert(number, arrived);
        arrival
    }

    /// Called first by each handler.
    fn begin(&self, Query(query): &Query<BTreeMap<String, u64>>) -> OutcomeGuard {
        let waiting = self.0.waiting.lock().expect("no holder panics").remove(&query["number"]);
        // The client waits for this before it does anything else.
        let _ = waiting.expect("each number is sent once").send(());
        OutcomeGuard(Some(self.clone()), Outcome::Cancelled)
    }
}

/// Records its outcome when it is dropped.
#[derive(Debug)]
struct OutcomeGuard(Option<Service>, Outcome);

impl OutcomeGuard {
    /// Moves the guard on, with the outcome of the next stage.
    fn with_outcome(&mut self, outcome: Outcome) -> Self {
        Self(self.0.take(), outcome)
    }
}

impl Drop for OutcomeGuard {
    fn drop(&mut self) {
        if let Self(Some(service), outcome) = self {
            service.0.outcomes[*outcome as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

type Numbered = Query<BTreeMap<String, u64>>;

async fn download(State(service): State<Service>, query: Numbered) -> Response {
    let mut guard = service.begin(&query);
    // For clients that disconnect, more than the sockets' buffers hold.
    GuardedBody::response(&mut guard, if query["number"] < DISCONNECTING { 500 } else { 20 })
}

async fn upload(State(service): State<Service>, query: Numbered, request: Request) -> Response {
    let mut guard = service.begin(&query);
    // An error if the client disconnects within the body.
    let _ = request.into_body().collect().await;
    GuardedBody::response(&mut guard, 1)
}

async fn late(State(service): State<Service>, query: Numbered) -> Response {
    let mut guard = service.begin(&query);
    if query["number"] < DISCONNECTING && query["number"].is_multiple_of(2) {
        // Half of the clients that disconnect never get a response. The others disconnect before or after it.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(Duration::from_millis(3)).await;
    GuardedBody::response(&mut guard, 1)
}

/// A body of `chunks` chunks, which records whether it was read to its end.
#[derive(Debug)]
struct GuardedBody {
    chunks: usize,
    guard: OutcomeGuard,
}

impl GuardedBody {
    fn response(guard: &mut OutcomeGuard, chunks: usize) -> Response {
        let guard = guard.with_outcome(Outcome::Aborted);
        Response::new(axum::body::Body::new(Self { chunks, guard }))
    }
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(left) = self.chunks.checked_sub(1) else {
            drop(self.guard.with_outcome(Outcome::Complete));
            return Poll::Ready(None);
        };
        self.chunks = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 65_536])))))
    }
}

/// Sends a request, or half of one, waits until it has arrived, and disconnects at a random moment after that.
async fn disconnecting(address: SocketAddr, service: Service, number: u64) {
    let mut random = fastrand::Rng::with_seed(number);
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let arrival = service.expect(number);
    let head = match number % 3 {
        0 => format!("GET /download?number={number} HTTP/1.1\r\nhost: x\r\n\r\n"),
        1 => format!("GET /late?number={number} HTTP/1.1\r\nhost: x\r\n\r\n"),
        _ => format!(
            "POST /upload?number={number} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf"
        ),
    };
    stream.write_all(head.as_bytes()).await.expect("the server reads");
    arrival.await.expect("the request arrives");
    tokio::time::sleep(Duration::from_micros(random.u64(0..6_000))).await;
    if number.is_multiple_of(3) {
        let mut some = vec![0; random.usize(1..4_000_000)];
        // Reads as much as it can in this time.
        let _ = tokio::time::timeout(Duration::from_millis(5), stream.read_exact(&mut some)).await;
    }
    if random.bool() {
        // The connection is reset, not closed.
        stream.set_zero_linger().expect("the option can be set");
    }
}

/// Sends a request and reads the response to its end.
async fn patient(address: SocketAddr, service: Service, number: u64) {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let arrival = service.expect(number);
    let head = match number % 3 {
        0 => format!("GET /download?number={number} HTTP/1.0\r\n\r\n"),
        1 => format!("GET /late?number={number} HTTP/1.0\r\n\r\n"),
        _ => format!("POST /upload?number={number} HTTP/1.0\r\ncontent-length: 5\r\n\r\nwhole"),
    };
    stream.write_all(head.as_bytes()).await.expect("the server reads");
    arrival.await.expect("the request arrives");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.expect("the response ends");
    let start = || String::from_utf8_lossy(&response[..100]);
    assert!(response.starts_with(b"HTTP/1.0 200"), "{:?}", start());
    assert!(response.ends_with(b"x"));
}
