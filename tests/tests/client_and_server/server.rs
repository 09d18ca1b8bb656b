//! A server that ends each request as planned: axum over HTTP/1.1 and HTTP/2, and tonic's server.

use crate::plan::{Ending, Exchange};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustix::net::sockopt::set_socket_linger;
use std::future::{Future, pending, ready};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_asdlc_metrics::HttpMetricsLayer;

pub(crate) type Traffic = Arc<[Exchange]>;

pub(crate) const UNARY: &str = "/pair.Traffic/Unary";
pub(crate) const SERVER_STREAM: &str = "/pair.Traffic/ServerStream";
pub(crate) const CLIENT_STREAM: &str = "/pair.Traffic/ClientStream";
pub(crate) const UNLISTED: &str = "/pair.Traffic/Unlisted";

/// The router with the layers around all of its routes.
pub(crate) fn router(traffic: Traffic, outer: HttpMetricsLayer, inner: HttpMetricsLayer) -> Router {
    let arriving = Arc::clone(&traffic);
    let arrive = move |request: Request| {
        exchange(&arriving, &request).arrive();
        request
    };
    Router::new()
        .route("/items/{id}", any(respond))
        .route("/streams/{id}", any(respond))
        .route(UNARY, post(unary))
        .route(SERVER_STREAM, post(server_stream))
        .route(CLIENT_STREAM, post(client_stream))
        .with_state(traffic)
        // One stack: a request that arrives is seen by both layers.
        .layer(ServiceBuilder::new().map_request(arrive).layer(outer).layer(inner))
}

/// Serves connections with `router`, until the runtime is dropped. A handler can reset its connection.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a listener has an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("the option can be set");
            let socket = stream.as_fd().try_clone_to_owned().expect("it can be duplicated");
            let killer = Killer::default();
            let router = router.clone();
            let own = killer.clone();
            let service = hyper::service::service_fn(move |mut request: http::Request<_>| {
                request.extensions_mut().insert(own.clone());
                router.clone().oneshot(request.map(Body::new))
            });
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    // An error means that the client has left, or that a body has failed.
                    _ = connection => {}
                    () = killer.0.notified() => {
                        set_socket_linger(&socket, Some(Duration::ZERO)).expect("it can be set");
                    }
                }
            });
        }
    });
    address
}

/// Resets the connection of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Killer(Arc<Notify>);

fn exchange<'a>(traffic: &'a [Exchange], request: &Request) -> &'a Exchange {
    let name = Exchange::read_name(request.headers()).unwrap_or_default();
    &traffic[Exchange::id(name) as usize]
}

async fn respond(State(traffic): State<Traffic>, request: Request) -> Response {
    let planned = exchange(&traffic, &request);
    let script = Script::new(&traffic, &request);
    before_head(planned, killer(&request).clone()).await;
    if matches!(planned.plan.ending, Ending::Respond | Ending::Upload) {
        request.into_body().collect().await.expect("the client sends all of it");
    }
    let status = StatusCode::from_u16(planned.plan.code).expect("a status");
    match planned.plan.ending {
        Ending::Respond | Ending::Upload | Ending::ClientCancelsInRace => {
            (status, "a small body").into_response()
        }
        _ => (status, Body::new(script)).into_response(),
    }
}

async fn unary(State(traffic): State<Traffic>, request: Request) -> Response {
    before_head(exchange(&traffic, &request), killer(&request).clone()).await;
    let status = Status::new(code(exchange(&traffic, &request)), "planned");
    let respond = move |_| ready(ok_or(status.clone()).map(tonic::Response::new));
    let mut server = tonic::server::Grpc::new(ProstCodec::<(), ()>::default());
    server.unary(service_fn(respond), request).await.map(Body::new)
}

async fn server_stream(State(traffic): State<Traffic>, request: Request) -> Response {
    before_head(exchange(&traffic, &request), killer(&request).clone()).await;
    let mut script = Some(Script::new(&traffic, &request));
    let respond = move |_| {
        let script = script.take().expect("it is called once");
        ready(Ok(tonic::Response::new(script)))
    };
    let mut server = tonic::server::Grpc::new(ProstCodec::<(), ()>::default());
    server.server_streaming(service_fn(respond), request).await.map(Body::new)
}

async fn client_stream(State(traffic): State<Traffic>, request: Request) -> Response {
    let status = Status::new(code(exchange(&traffic, &request)), "planned");
    let respond = move |request: tonic::Request<Streaming<()>>| {
        let status = status.clone();
        async move {
            let mut messages = request.into_inner();
            // Half of the calls that fail do not read what the client sends.
            while status.code() as i32 % 2 == 0 && messages.next().await.is_some() {}
            ok_or(status).map(tonic::Response::new)
        }
    };
    let mut server = tonic::server::Grpc::new(ProstCodec::<(), ()>::default());
    server.client_streaming(service_fn(respond), request).await.map(Body::new)
}

async fn before_head(exchange: &Exchange, killer: Killer) {
    match exchange.plan.ending {
        Ending::HandlerPanics => panics(),
        Ending::ClientCancels | Ending::ClientKills | Ending::TimesOut => pending().await,
        Ending::ServerKills => {
            killer.0.notify_one();
            pending::<()>().await;
        }
        _ => {}
    }
}

fn killer(request: &Request) -> &Killer {
    request.extensions().get().expect("the server adds it")
}

fn code(exchange: &Exchange) -> Code {
    Code::from_i32(exchange.plan.code.into())
}

fn ok_or(status: Status) -> Result<(), Status> {
    if status.code() == Code::Ok { Ok(()) } else { Err(status) }
}

/// Without the message of the panic hook.
fn panics() -> ! {
    resume_unwind(Box::new("planned"))
}

/// A body, or a stream of messages, that ends as planned.
struct Script {
    frames: u32,
    /// Before the end.
    wait: Pin<Box<dyn Future<Output = ()> + Send>>,
    ending: Ending,
    code: Code,
    killer: Killer,
}

enum Step {
    Frame,
    Fail,
    End,
}

impl Script {
    fn new(traffic: &Traffic, request: &Request) -> Self {
        let planned = exchange(traffic, request);
        let Exchange { id, plan, .. } = planned;
        let (id, traffic) = (*id as usize, Arc::clone(traffic));
        let is_whole = matches!(plan.ending, Ending::Stream | Ending::ClientCancelsInRace);
        let wait = async move {
            if !is_whole {
                traffic[id].proceed.notified().await;
            }
        };
        Self {
            frames: if is_whole { 5 } else { 1 },
            wait: Box::pin(wait),
            ending: plan.ending,
            code: code(planned),
            killer: killer(request).clone(),
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if let Some(left) = self.frames.checked_sub(1) {
            self.frames = left;
            return Poll::Ready(Step::Frame);
        }
        match self.ending {
            Ending::Stream | Ending::ClientCancelsInRace => return Poll::Ready(Step::End),
            Ending::BodyFails | Ending::BodyPanics | Ending::ServerKillsBody => {
                ready!(self.wait.as_mut().poll(cx));
            }
            _ => return Poll::Pending,
        }
        match self.ending {
            Ending::BodyFails => Poll::Ready(Step::Fail),
            Ending::BodyPanics => panics(),
            _ => {
                self.killer.0.notify_one();
                // It is not polled again.
                self.ending = Ending::ClientAborts;
                Poll::Pending
            }
        }
    }
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match ready!(self.poll_step(cx)) {
            Step::Frame => Some(Ok(Frame::data(Bytes::from_static(b"a frame")))),
            Step::Fail => Some(Err(io::Error::other("planned"))),
            Step::End => None,
        })
    }
}

impl Stream for Script {
    type Item = Result<(), Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match ready!(self.poll_step(cx)) {
            Step::Frame => Some(Ok(())),
            Step::Fail | Step::End => ok_or(Status::new(self.code, "planned")).err().map(Err),
        })
    }
}
