//! The errors that real clients return when a server on loopback behaves badly, and what they are found to be.
//!
//! | the server | hyper-util 0.1, HTTP/1.1 | hyper-util 0.1, HTTP/2 | tonic 0.14 |
//! |---|---|---|---|
//! | does not listen | `legacy::Error(Connect, ConnectError(…, ConnectionRefused))` | the same | `transport::Error(Transport, ConnectError(ConnectError(…, ConnectionRefused)))` |
//! | does not accept, with a timeout | `legacy::Error(Connect, ConnectError(…, TimedOut))` | the same | `transport::Error(Transport, ConnectError(ConnectError(…, TimedOut)))` |
//! | closes after accepting | `legacy::Error(SendRequest, hyper::Error(IncompleteMessage))` | `hyper::Error(Io, BrokenPipe)` | `hyper::Error(Io, BrokenPipe)` |
//! | resets after accepting | `hyper::Error(Io, ConnectionReset)` | `hyper::Error(Io, BrokenPipe)` | `hyper::Error(Canceled, "connection closed")` |
//! | does not respond, with a timeout | tower's `Elapsed` | `hyper::Error(Http2, KeepAliveTimedOut)` | `TimeoutExpired` |
//! | sends RST_STREAM | | `hyper::Error(Http2, h2 Reset(CANCEL, Remote))` | the same |
//! | sends GOAWAY | | `hyper::Error(Http2, h2 GoAway(NO_ERROR, Remote))` | the same |
//! | speaks another protocol | `hyper::Error(Parse(Version))` | `hyper::Error(Http2, h2 GoAway(FRAME_SIZE_ERROR, Library))` | the same |
//! | closes in the body | `hyper::Error(Body, UnexpectedEof)` | `hyper::Error(Body, h2 Io(ConnectionReset))` | `Status(Unknown, hyper::Error(Body, h2 Io(ConnectionReset)))` |
//! | resets in the body | `hyper::Error(Body, ConnectionReset)` | `hyper::Error(Body, h2 Reset(INTERNAL_ERROR, Remote))` | `Status(Internal, hyper::Error(Body, h2 Reset(INTERNAL_ERROR, Remote)))` |
//! | waits for a request body that fails | `hyper::Error(User(Body), …)` | `hyper::Error(Http2, h2 Reset(INTERNAL_ERROR, User))` | |

mod servers;

use crate::labels::client_error::ClientErrorType::{self, Connect, Reset, Timeout};
use crate::labels::client_error::KnownErrors;
use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::client::conn::http1::handshake;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use servers::{Server, Then};
use std::error::Error;
use std::fmt::Debug;
use std::future::ready;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use std::vec;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tower::timeout::Timeout as TimeoutService;
use tower::{BoxError, Service, ServiceExt, service_fn};

/// Short, because what it waits for never happens.
const TIMEOUT: Duration = Duration::from_millis(100);
const PART: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\npart";
const CHUNK: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n";

// X-11
#[tokio::test(flavor = "local")]
async fn errors_of_hyper_util_over_http_1() {
    let send = async |server: Server| send(client(false), &server, empty()).await;
    send(servers::closed_port().await).await.is("service", Some(Connect), "ConnectionRefused");
    let (full, _queue) = servers::full_queue().await;
    let full = self::send(impatient_client(false), &full, empty()).await;
    full.is("service", Some(Connect), "TimedOut");
    let closed = send(servers::tcp(b"", Then::Close).await).await;
    closed.is("service", Some(Reset), "IncompleteMessage");
    let reset = send(servers::tcp(b"", Then::Reset).await).await;
    reset.is("service", Some(Reset), "hyper::Error(Io, ");
    let nonsense = send(servers::tcp(b"nonsense\r\n\r\n", Then::Wait).await).await;
    nonsense.is("service", None, "Parse(Version)");
    let closed = send(servers::tcp(PART, Then::Close).await).await;
    closed.is("body", Some(Reset), "UnexpectedEof, error: IncompleteBody");
    let closed = send(servers::tcp(CHUNK, Then::Close).await).await;
    closed.is("body", Some(Reset), "UnexpectedEof");
    let reset = send(servers::tcp(PART, Then::Reset).await).await;
    reset.is("body", Some(Reset), "ConnectionReset");
}

// X-11
#[tokio::test(flavor = "local")]
async fn errors_of_hyper_util_over_http_2() {
    let send = async |server: Server| send(client(true), &server, empty()).await;
    send(servers::closed_port().await).await.is("service", Some(Connect), "ConnectionRefused");
    for then in [Then::Close, Then::Reset] {
        let lost = send(servers::tcp(b"", then).await).await;
        lost.is("service", Some(Reset), "SendRequest");
    }
    let silent = servers::h2_silent().await;
    let silent = self::send(impatient_client(true), &silent, empty()).await;
    silent.is("service", Some(Timeout), "KeepAliveTimedOut");
    let reset = send(servers::h2_reset(Reason::CANCEL).await).await;
    reset.is("service", Some(Reset), "CANCEL, Remote");
    let go_away = send(servers::h2_go_away(Reason::NO_ERROR).await).await;
    go_away.is("service", Some(Reset), r#"GoAway(b"", NO_ERROR, Remote)"#);
    let http1 = send(servers::tcp(PART, Then::Wait).await).await;
    http1.is("service", None, "FRAME_SIZE_ERROR, Library");
    let closed = send(servers::h2_close_in_body().await).await;
    closed.is("body", Some(Reset), "hyper::Error(Body, Error { kind: Io(");
    let reset = send(servers::h2_reset_in_body(Reason::INTERNAL_ERROR).await).await;
    reset.is("body", Some(Reset), "INTERNAL_ERROR, Remote");
}

// X-11
#[tokio::test(flavor = "local")]
async fn errors_of_tonic() {
    let send = async |server: Server| send(channel(&server), &server, Default::default()).await;
    send(servers::closed_port().await).await.is("service", Some(Connect), "ConnectionRefused");
    let (full, _queue) = servers::full_queue().await;
    let full = self::send(impatient_channel(&full), &full, Default::default()).await;
    full.is("service", Some(Connect), "TimedOut");
    for then in [Then::Close, Then::Reset] {
        let lost = send(servers::tcp(b"", then).await).await;
        lost.is("service", Some(Reset), "transport::Error");
    }
    let silent = servers::h2_silent().await;
    let silent = self::send(impatient_channel(&silent), &silent, Default::default()).await;
    silent.is("service", Some(Timeout), "TimeoutExpired");
    let reset = send(servers::h2_reset(Reason::CANCEL).await).await;
    reset.is("service", Some(Reset), "CANCEL, Remote");
    let go_away = send(servers::h2_go_away(Reason::ENHANCE_YOUR_CALM).await).await;
    go_away.is("service", Some(Reset), r#"GoAway(b"", ENHANCE_YOUR_CALM, Remote)"#);
    let http1 = send(servers::tcp(PART, Then::Wait).await).await;
    http1.is("service", None, "FRAME_SIZE_ERROR, Library");
    let closed = send(servers::h2_close_in_body().await).await;
    closed.is("body", Some(Reset), "Status { code: Unknown");
    let reset = send(servers::h2_reset_in_body(Reason::INTERNAL_ERROR).await).await;
    reset.is("body", Some(Reset), "Status { code: Internal");
}

// X-11: hyper's connection without a pool.
#[tokio::test(flavor = "local")]
async fn errors_of_hyper() {
    let connect = async |server: &Server| {
        let stream = TcpStream::connect(server.address).await.unwrap();
        handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.unwrap()
    };
    let server = servers::tcp(b"", Then::Close).await;
    let (mut sender, connection) = connect(&server).await;
    tokio::task::spawn_local(connection);
    let closed = sender.send_request(request(&server, empty())).await.unwrap_err();
    Ended::with("service", closed).is("service", Some(Reset), "IncompleteMessage");

    let (mut sender, connection) = connect(&server).await;
    drop(connection);
    let gone = sender.ready().await.unwrap_err();
    Ended::with("service", gone).is("service", Some(Reset), "ChannelClosed");
    let gone = sender.send_request(request(&server, empty())).await.unwrap_err();
    Ended::with("service", gone).is("service", Some(Reset), "Canceled");
}

// X-11: tower's `Timeout` returns a boxed error, whatever is inside of it.
#[tokio::test(flavor = "local")]
async fn errors_in_the_timeout_of_tower() {
    let types = KnownErrors::new().with_tonic();
    for (server, timeout, expected) in [
        (servers::tcp(b"", Then::Wait).await, TIMEOUT, Timeout),
        (servers::tcp(b"", Then::Close).await, Duration::MAX, Reset),
        (servers::closed_port().await, Duration::MAX, Connect),
    ] {
        let http = TimeoutService::new(client(false), timeout);
        let error = http.oneshot(request(&server, empty())).await.unwrap_err();
        assert_eq!(types.find::<BoxError>(&error), Some(expected), "{error:?}");
        let tonic = TimeoutService::new(channel(&server), timeout);
        let error = tonic.oneshot(request(&server, Default::default())).await.unwrap_err();
        assert_eq!(types.find::<BoxError>(&error), Some(expected), "{error:?}");
    }
}

// X-11: what a proxy sees when its own client leaves. The server that it sends to has not reset anything.
#[tokio::test(flavor = "local")]
async fn an_error_of_the_request_body_is_no_error_of_the_connection() {
    for (is_h2, text) in [(false, "User(Body)"), (true, "INTERNAL_ERROR, User")] {
        let frames = [Ok(Frame::data(Bytes::new())), Err(ErrorKind::ConnectionReset.into())];
        let body = StreamBody::new(tokio_stream::iter::<[Result<_, io::Error>; 2]>(frames));
        let server = servers::tcp(b"", Then::Wait).await;
        send(client(is_h2), &server, body).await.is("service", None, text);
    }
}

// X-11
#[tokio::test(flavor = "local")]
async fn an_error_of_the_name_resolution_is_a_connect_error() {
    let resolver = service_fn(|_| {
        ready(Err::<vec::IntoIter<SocketAddr>, _>(io::Error::other("no such name")))
    });
    let connector = HttpConnector::new_with_resolver(resolver);
    let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let request = Request::get("http://name.test/").body(empty()).unwrap();
    let error = client.oneshot(request).await.unwrap_err();
    Ended::with("service", error).is("service", Some(Connect), "no such name");
}

// X-11
#[tokio::test(flavor = "local")]
async fn in_a_box_the_io_errors_of_other_clients_are_found_without_their_types() {
    let types = KnownErrors::new();
    for (server, expected) in [
        (servers::closed_port().await, Some(Connect)),
        (servers::tcp(b"", Then::Reset).await, Some(Reset)),
        // `IncompleteMessage` is known only to hyper.
        (servers::tcp(b"", Then::Close).await, None),
    ] {
        let error = client(false).oneshot(request(&server, empty())).await.unwrap_err();
        assert_eq!(types.find(&error), None, "it is not in a box: {error:?}");
        let error = BoxError::from(error);
        assert_eq!(types.find(&error), expected, "{error:?}");
    }
}

/// How a request ended.
struct Ended {
    by: &'static str,
    found: Option<ClientErrorType>,
    error: String,
}

impl Ended {
    fn with<E: Error + Send + Sync + 'static>(by: &'static str, error: E) -> Self {
        let types = KnownErrors::new().with_tonic();
        let found = types.find(&error);
        let text = format!("{error:?}");
        assert_eq!(types.find(&BoxError::from(error)), found, "in a box: {text}");
        Self { by, found, error: text }
    }

    #[track_caller]
    fn is(&self, by: &str, found: Option<ClientErrorType>, part: &str) {
        assert_eq!((self.by, self.found), (by, found), "{}", self.error);
        assert!(self.error.contains(part), "{}", self.error);
    }
}

/// Sends a request, and reads the response to its end.
async fn send<S, B, R>(client: S, server: &Server, body: B) -> Ended
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Error + Send + Sync + 'static,
    R: Body<Data: Debug, Error: Error + Send + Sync + 'static>,
{
    match client.oneshot(request(server, body)).await {
        Err(error) => Ended::with("service", error),
        Ok(response) => {
            server.proceed.notify_one();
            let body = response.into_body().collect().await;
            Ended::with("body", body.expect_err("the server does not send all of it"))
        }
    }
}

fn request<B>(server: &Server, body: B) -> Request<B> {
    let uri = format!("http://{}/a.Service/Method", server.address);
    Request::post(uri).body(body).unwrap()
}

fn empty() -> Empty<Bytes> {
    Empty::new()
}

fn client<B>(is_h2: bool) -> legacy::Client<HttpConnector, B>
where
    B: Body<Data: Send> + Send,
{
    legacy::Client::builder(TokioExecutor::new()).http2_only(is_h2).build_http()
}

/// A client with a timeout for opening a connection, and for the response to a ping in HTTP/2.
fn impatient_client<B>(is_h2: bool) -> legacy::Client<HttpConnector, B>
where
    B: Body<Data: Send> + Send,
{
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(TIMEOUT));
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new()).http2_only(is_h2);
    builder.http2_keep_alive_interval(TIMEOUT).http2_keep_alive_timeout(TIMEOUT).build(connector)
}

fn channel(server: &Server) -> Channel {
    endpoint(server).connect_lazy()
}

/// A channel with a timeout for opening a connection, and a longer one for the response.
fn impatient_channel(server: &Server) -> Channel {
    endpoint(server).connect_timeout(TIMEOUT).timeout(5 * TIMEOUT).connect_lazy()
}

fn endpoint(server: &Server) -> Endpoint {
    Endpoint::from_shared(format!("http://{}", server.address)).unwrap()
}
