//! Clients with the layers around them: hyper-util's client, hyper's connections, and tonic's `Channel`.

use crate::grpc_client;
use crate::plan::{Ending, Exchange, NAME, Protocol};
use crate::seen::Seen;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tonic::transport::{Channel, Endpoint};
use tower::timeout::Timeout;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_asdlc_metrics::{HttpClientMetrics, HttpClientMetricsLayer};

#[derive(Clone, Debug)]
pub(crate) struct Layers {
    pub(crate) outer: HttpClientMetricsLayer,
    pub(crate) inner: HttpClientMetricsLayer,
}

pub(crate) type Layered<S> = HttpClientMetrics<HttpClientMetrics<S>>;

impl Layers {
    pub(crate) fn around<S>(&self, service: S) -> Layered<S> {
        self.outer.layer(self.inner.layer(service))
    }
}

type HttpClient = Client<HttpConnector, RequestBody>;
type RequestBody = UnsyncBoxBody<Bytes, Infallible>;

/// Clients that share their connections between requests.
pub(crate) struct Clients {
    layers: Layers,
    server: SocketAddr,
    /// Nothing listens here.
    closed: SocketAddr,
    http1: Layered<HttpClient>,
    http2: Layered<HttpClient>,
    channel: Layered<Channel>,
}

impl Clients {
    pub(crate) fn new(layers: Layers, server: SocketAddr, closed: SocketAddr) -> Self {
        Self {
            http1: layers.around(http_client(Protocol::Http1)),
            http2: layers.around(http_client(Protocol::Http2)),
            channel: layers.around(endpoint(server).connect_lazy()),
            layers,
            server,
            closed,
        }
    }

    /// Sends a request, and ends it as planned.
    pub(crate) async fn send(&self, exchange: &Exchange) -> Seen {
        let Self { layers, server, closed, .. } = self;
        let protocol = exchange.plan.protocol;
        if protocol == Protocol::Grpc {
            let channel = match exchange.plan.ending {
                Ending::NothingListens => layers.around(endpoint(*closed).connect_lazy()),
                Ending::TimesOut => {
                    layers.around(endpoint(*server).timeout(TIME_LIMIT).connect_lazy())
                }
                // Other calls shall not share this connection.
                Ending::ServerKills | Ending::ServerKillsBody => {
                    layers.around(endpoint(*server).connect_lazy())
                }
                _ => self.channel.clone(),
            };
            return grpc_client::call(channel, exchange).await;
        }
        let request = request(*server, exchange);
        match exchange.plan.ending {
            Ending::NothingListens => {
                let request = self::request(*closed, exchange);
                drive(layers.around(http_client(protocol)), request, exchange, || {}).await
            }
            Ending::TimesOut => {
                let client = Timeout::new(http_client(protocol), TIME_LIMIT);
                drive(layers.around(client), request, exchange, || {}).await
            }
            Ending::ServerKills | Ending::ServerKillsBody => {
                drive(layers.around(http_client(protocol)), request, exchange, || {}).await
            }
            Ending::ClientKills | Ending::ClientKillsBody => {
                let stream = TcpStream::connect(server).await.expect("the server listens");
                stream.set_zero_linger().expect("the option can be set");
                let stream = TokioIo::new(stream);
                let tasks = Tasks::default();
                if protocol == Protocol::Http1 {
                    let (mut sender, connection) = http1::handshake(stream).await.expect("HTTP/1");
                    tasks.execute(connection);
                    let send = service_fn(move |request| sender.send_request(request));
                    drive(layers.around(send), request, exchange, || tasks.abort()).await
                } else {
                    let handshake = http2::handshake(tasks.clone(), stream);
                    let (mut sender, connection) = handshake.await.expect("HTTP/2");
                    tasks.execute(connection);
                    let send = service_fn(move |request| sender.send_request(request));
                    drive(layers.around(send), request, exchange, || tasks.abort()).await
                }
            }
            _ => {
                let client = if protocol == Protocol::Http1 { &self.http1 } else { &self.http2 };
                drive(client.clone(), request, exchange, || {}).await
            }
        }
    }
}

/// The tasks of one connection. When they are aborted, its socket is closed, and sends RST.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<Vec<AbortHandle>>>);

impl Tasks {
    fn abort(&self) {
        self.0.lock().expect("no holder panics").iter().for_each(AbortHandle::abort);
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let task = tokio::spawn(task).abort_handle();
        self.0.lock().expect("no holder panics").push(task);
    }
}

fn http_client(protocol: Protocol) -> HttpClient {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.http2_only(protocol == Protocol::Http2).build_http()
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).expect("a URI")
}

fn request(address: SocketAddr, exchange: &Exchange) -> Request<RequestBody> {
    let Exchange { id, plan, .. } = exchange;
    let route = match plan.ending {
        Ending::Respond | Ending::Upload => "items",
        Ending::Unmatched => "nowhere",
        _ => "streams",
    };
    let body = match plan.ending {
        Ending::Upload => {
            let frames =
                ["a", "b", "c"].map(|data| Ok(Frame::data(Bytes::from_static(data.as_bytes()))));
            StreamBody::new(tokio_stream::iter(frames)).boxed_unsync()
        }
        _ => Full::default().boxed_unsync(),
    };
    let uri = format!("http://{address}/{route}/{id}");
    let request = Request::builder().method(&plan.method).uri(uri).header(NAME, exchange.name());
    request.body(body).expect("a request")
}

async fn drive<S, B>(
    mut client: S,
    request: Request<RequestBody>,
    exchange: &Exchange,
    kill: impl FnOnce(),
) -> Seen
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Debug,
    B: Body<Error: Debug, Data: Debug>,
{
    let mut future = pin!(client.ready().await.expect("it is ready").call(request));
    let mut kill = Some(kill);
    let result = match exchange.plan.ending {
        Ending::ClientCancels => tokio::select! {
            result = future => panic!("{:?} without a response", result.map(drop)),
            () = exchange.arrived.notified() => return Seen::failed("cancelled"),
        },
        Ending::ClientCancelsInRace => tokio::select! {
            biased;
            result = &mut future => result,
            () = arrived_and_some_time(exchange) => return Seen::failed("cancelled"),
        },
        Ending::ClientKills => {
            tokio::select! {
                result = &mut future => panic!("{:?} without a response", result.map(drop)),
                () = exchange.arrived.notified() => kill.take().expect("the first call")(),
            }
            future.await
        }
        _ => future.await,
    };
    let response = match result {
        Ok(response) => response,
        Err(error) => {
            let text = format!("{error:?}");
            return Seen {
                error: Some(self::error(exchange.plan.ending, &text)),
                text,
                ..Seen::default()
            };
        }
    };
    let seen = |error| Seen { status: Some(response.status().as_u16()), error, ..Seen::default() };
    let (none, broken, aborted) = (seen(None), seen(Some("reset")), seen(Some("aborted")));
    let ending = exchange.plan.ending;
    if ending == Ending::ClientReadsNothing {
        return none;
    }
    let mut body = pin!(response.into_body());
    while let Some(frame) = body.frame().await {
        if let Err(error) = frame {
            return Seen { text: format!("{error:?}"), ..broken };
        }
        exchange.proceed.notify_one();
        match ending {
            Ending::ClientAborts => return aborted,
            Ending::ClientKillsBody => kill.take().into_iter().for_each(|kill| kill()),
            _ => {}
        }
    }
    none
}

/// The request has arrived, and the server has had a random time to respond.
pub(crate) async fn arrived_and_some_time(exchange: &Exchange) {
    exchange.arrived.notified().await;
    for _ in 0..exchange.id % 7 {
        tokio::task::yield_now().await;
    }
}

/// The error of a client that got no response. `text` is how it is printed.
pub(crate) fn error(ending: Ending, text: &str) -> &'static str {
    match ending {
        Ending::NothingListens => "connect_error",
        Ending::TimesOut => "timeout",
        // hyper says that its own task is gone, not that the connection is.
        _ if text.contains("DispatchGone") => "service_error",
        _ => "reset",
    }
}

/// Long enough for a request to arrive. The server does not respond to it.
const TIME_LIMIT: Duration = Duration::from_millis(100);
