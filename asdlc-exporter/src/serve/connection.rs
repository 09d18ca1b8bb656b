//! Serves one connection with hyper, until the client disconnects or the server closes it.

use super::{
    client::{Client, ConnectedClient, Exchange},
    routes::Routes,
    socket::ObservedSocket,
};
use hyper::{
    body::{Body, Frame, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    time::{sleep_until, timeout},
};

/// Serves requests until the client disconnects, its deadline passes, it is evicted, or `stop` is ready.
/// After `stop`, a response in progress may take `grace_period`.
pub(super) async fn serve_connection(
    stream: TcpStream,
    routes: Arc<Routes>,
    connected: ConnectedClient,
    grace_period: Duration,
    stop: impl Future<Output = ()>,
) {
    let client = Arc::clone(connected.client());
    let service = service_fn(move |request| {
        let exchange = connected.client().start_exchange();
        let clients = Arc::clone(connected.clients());
        let response = routes.respond(request);
        async move {
            let response = response.await;
            exchange.set_response_length(response.body().size_hint().lower());
            clients.bound_memory();
            Ok::<_, Infallible>(response.map(|body| ExchangeBody { body, _exchange: exchange }))
        }
    });
    let connection = http1::Builder::new()
        // The timeout of hyper includes the idle time before the head, so `Client::deadline` is
        // used instead.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(ObservedSocket::new(stream, Arc::clone(&client))), service);
    let mut connection = pin!(connection);
    match drive(connection.as_mut(), &client, stop).await {
        CloseReason::Closed => {}
        CloseReason::Abandoned => client.abandon(),
        CloseReason::Stopped => {
            // Not `GracefulShutdown` of hyper-util: it cannot reset the connections that are still
            // open at the end of the grace period.
            connection.as_mut().graceful_shutdown();
            if timeout(grace_period, connection).await.is_err() {
                client.abandon();
            }
        }
    }
}

enum CloseReason {
    /// The client disconnected.
    Closed,
    /// Its deadline passed, or it was evicted.
    Abandoned,
    /// The server stops.
    Stopped,
}

async fn drive(
    mut connection: Pin<&mut impl Future>,
    client: &Client,
    stop: impl Future<Output = ()>,
) -> CloseReason {
    let mut stop = pin!(stop);
    let mut evicted = pin!(client.evicted());
    let mut deadline = pin!(sleep_until(client.deadline()));
    future::poll_fn(|context| {
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(CloseReason::Closed);
        }
        if stop.as_mut().poll(context).is_ready() {
            return Poll::Ready(CloseReason::Stopped);
        }
        // Polling the connection may have changed its phase, and so its deadline.
        let next = client.deadline();
        if deadline.deadline() != next {
            deadline.as_mut().reset(next);
        }
        if deadline.as_mut().poll(context).is_ready() || evicted.as_mut().poll(context).is_ready() {
            return Poll::Ready(CloseReason::Abandoned);
        }
        Poll::Pending
    })
    .await
}

/// A body that ends its exchange when hyper drops it.
struct ExchangeBody<B> {
    body: B,
    _exchange: Exchange,
}

impl<B: Body + Unpin> Body for ExchangeBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The limit of the head of a request, in bytes.
const MAX_HEAD: usize = 16 << 10;
