//! Clients are killed at random moments while others behave: at the end the books balance.
//!
//! What really became of each request is told by the service itself, which notes how its handler and its body ended.

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

/// How many clients are killed, a third of them each way; as many behave.
const KILLED: u64 = 1_000;

//
#[test]
fn killed_clients_are_each_counted_once_and_as_what_they_did() {
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
        // A few at a time, so that each is at another point when its moment comes.
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..KILLED {
            if clients.len() == 32 {
                clients.join_next().await.expect("there are some").expect("no client panics");
            }
            clients.spawn(killed(address, service.clone(), number));
            clients.spawn(good(address, service.clone(), KILLED + number));
        }
        clients.join_all().await;
    });

    let ended = || exposition(&exporter).sum("http_requests_total") >= (2 * KILLED) as f64;
    assert!(eventually(DEADLINE, ended), "{:?}", service.ends());
    let exposition = exposition(&exporter);
    let ends = service.ends();
    assert_eq!(ends.values().sum::<u64>(), 2 * KILLED, "{ends:?}");
    assert_eq!(exposition.sum("http_requests_total"), (2 * KILLED) as f64);
    assert_eq!(exposition.sum("http_request_duration_seconds_count"), (2 * KILLED) as f64);
    let by_type = exposition.sum_by("http_requests_failed_total", ["error_type", "status"]);
    let of = |error: &str, status: &str| {
        by_type.get(&[error.to_owned(), status.to_owned()]).copied().unwrap_or(0.0) as u64
    };
    let end = |end: &End| ends.get(end).copied().unwrap_or(0);
    assert_eq!(of("cancelled", "499"), end(&End::Cancelled), "{by_type:?} {ends:?}");
    assert_eq!(of("aborted", "200"), end(&End::Aborted), "{by_type:?} {ends:?}");
    let failed = end(&End::Cancelled) + end(&End::Aborted);
    assert_eq!(exposition.sum("http_requests_failed_total") as u64, failed, "{by_type:?}");
    // Each way of leaving was really met, and the good ones were not harmed.
    assert!(end(&End::Cancelled) >= KILLED / 6 && end(&End::Aborted) >= KILLED / 3, "{ends:?}");
    assert!(end(&End::Complete) >= KILLED, "{ends:?}");
    let in_flight = || self::exposition(&exporter).sum("http_requests_in_flight") == 0.0;
    assert!(eventually(DEADLINE, in_flight));
}

fn exposition(exporter: &Exporter) -> Exposition {
    let body = exporter.render().expect("it renders");
    Exposition::parse(body.as_ref()).expect("it renders valid text")
}

/// The service's own books.
#[derive(Clone, Debug, Default)]
struct Service(Arc<Books>);

#[derive(Debug, Default)]
struct Books {
    /// Who waits to hear that its request has arrived.
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
    ends: [AtomicU64; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Complete,
    Cancelled,
    Aborted,
}

impl Service {
    fn ends(&self) -> BTreeMap<End, u64> {
        [End::Complete, End::Cancelled, End::Aborted]
            .map(|end| (end, self.0.ends[end as usize].load(Ordering::Relaxed)))
            .into()
    }

    fn expect(&self, number: u64) -> oneshot::Receiver<()> {
        let (arrived, arrival) = oneshot::channel();
        self.0.waiting.lock().expect("nobody panics").insert(number, arrived);
        arrival
    }

    /// The handler of a request begins.
    fn begin(&self, Query(query): &Query<BTreeMap<String, u64>>) -> Handling {
        let waiting = self.0.waiting.lock().expect("nobody panics").remove(&query["number"]);
        // It listens until it hears.
        let _ = waiting.expect("each number comes once").send(());
        Handling(Some(self.clone()), End::Cancelled)
    }
}

/// Notes how it ends: dropped, or taken on to the next stage.
#[derive(Debug)]
struct Handling(Option<Service>, End);

impl Handling {
    fn becomes(&mut self, end: End) -> Self {
        Self(self.0.take(), end)
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        if let Self(Some(service), end) = self {
            service.0.ends[*end as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

type Numbered = Query<BTreeMap<String, u64>>;

async fn download(State(service): State<Service>, query: Numbered) -> Response {
    let mut handling = service.begin(&query);
    // More than the sockets' buffers hold, for who will not read to the end.
    Noted::response(&mut handling, if query["number"] < KILLED { 500 } else { 20 })
}

async fn upload(State(service): State<Service>, query: Numbered, request: Request) -> Response {
    let mut handling = service.begin(&query);
    // Of a client that is killed half-way, an error.
    let _ = request.into_body().collect().await;
    Noted::response(&mut handling, 1)
}

async fn late(State(service): State<Service>, query: Numbered) -> Response {
    let mut handling = service.begin(&query);
    if query["number"] < KILLED && query["number"].is_multiple_of(2) {
        // Never, for half of those who leave: the others leave before or after.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(Duration::from_millis(3)).await;
    Noted::response(&mut handling, 1)
}

/// A body of so many chunks, which notes whether its end was reached.
#[derive(Debug)]
struct Noted {
    chunks: usize,
    handling: Handling,
}

impl Noted {
    fn response(handling: &mut Handling, chunks: usize) -> Response {
        let handling = handling.becomes(End::Aborted);
        Response::new(axum::body::Body::new(Self { chunks, handling }))
    }
}

impl Body for Noted {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(left) = self.chunks.checked_sub(1) else {
            drop(self.handling.becomes(End::Complete));
            return Poll::Ready(None);
        };
        self.chunks = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 65_536])))))
    }
}

/// Sends a request, or half of one, hears that it has arrived, and is gone at a random moment after that.
async fn killed(address: SocketAddr, service: Service, number: u64) {
    let mut random = fastrand::Rng::with_seed(number);
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let arrival = service.expect(number);
    let head = match number % 3 {
        0 => format!("GET /download?number={number} HTTP/1.1\r\nhost: x\r\n\r\n"),
        1 => format!("GET /late?number={number} HTTP/1.1\r\nhost: x\r\n\r\n"),
        _ => format!(
            "POST /upload?number={number} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf"
        ),
    };
    stream.write_all(head.as_bytes()).await.expect("it reads");
    arrival.await.expect("it arrives");
    tokio::time::sleep(Duration::from_micros(random.u64(0..6_000))).await;
    if number.is_multiple_of(3) {
        let mut some = vec![0; random.usize(1..4_000_000)];
        // As far as it gets.
        let _ = tokio::time::timeout(Duration::from_millis(5), stream.read_exact(&mut some)).await;
    }
    if random.bool() {
        // Reset, not closed.
        stream.set_zero_linger().expect("it can be set");
    }
}

/// Sends a request and reads the answer to its end.
async fn good(address: SocketAddr, service: Service, number: u64) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let arrival = service.expect(number);
    let head = match number % 3 {
        0 => format!("GET /download?number={number} HTTP/1.0\r\n\r\n"),
        1 => format!("GET /late?number={number} HTTP/1.0\r\n\r\n"),
        _ => format!("POST /upload?number={number} HTTP/1.0\r\ncontent-length: 5\r\n\r\nwhole"),
    };
    stream.write_all(head.as_bytes()).await.expect("it reads");
    arrival.await.expect("it arrives");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers to the end");
    assert!(answer.starts_with(b"HTTP/1.0 200"), "{:?}", String::from_utf8_lossy(&answer[..100]));
    assert!(answer.ends_with(b"x"));
}
