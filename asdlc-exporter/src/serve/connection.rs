//! Accepts connections until it is told to stop, and ends them.

use super::{
    client::{Client, Clients, Connected, Exchange},
    limits::Limits,
    network::Network,
    routes::Routes,
    socket::Observed,
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
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

/// What a server was told.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) routes: Routes,
    pub(super) networks: Vec<Network>,
    pub(super) limits: Limits,
}

impl Settings {
    fn admits(&self, peer: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(peer))
    }
}

/// Serves until `stop` is true or its sender is gone.
pub(super) async fn serve(
    listener: TcpListener,
    settings: Arc<Settings>,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(settings.limits.connections));
    let clients = Arc::<Clients>::default();
    let mut connections = JoinSet::new();
    let for_connections = stop.clone();
    loop {
        let Some(accepted) = unless(stopped(&mut stop), listener.accept()).await else { break };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) if settings.admits(peer.ip()) => {
                let place = unless(stopped(&mut stop), place(&permits, &clients));
                let Some(Some(permit)) = place.await else { break };
                let (settings, stop) = (Arc::clone(&settings), for_connections.clone());
                let connected = clients.connected(settings.limits);
                connections.spawn(async move {
                    let _permit = permit;
                    connection(stream, settings, connected, stop).await;
                });
            }
            Ok((_, peer)) => tracing::debug!("{peer} is in none of the allowed networks"),
            // Too many open files, mostly: it passes, and asking at once would be a busy loop.
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                unless(stopped(&mut stop), sleep(PAUSE)).await;
            }
        }
    }
    drop(listener);
    let ends = async { while connections.join_next().await.is_some() {} };
    // Each ends itself by then; this is for what keeps its thread.
    let _ = timeout(settings.limits.grace_period + PAUSE, ends).await;
}

/// A place for one more connection. When there is none, the client that has been waited for the
/// longest loses its own: clients that send nothing or read nothing keep nobody out.
async fn place(permits: &Arc<Semaphore>, clients: &Clients) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return Some(permit);
        }
        clients.evict();
        if let Ok(permit) = timeout(PAUSE, Arc::clone(permits).acquire_owned()).await {
            return permit.ok();
        }
    }
}

async fn connection(
    stream: TcpStream,
    settings: Arc<Settings>,
    connected: Connected,
    mut stop: watch::Receiver<bool>,
) {
    let client = Arc::clone(connected.client());
    let grace_period = settings.limits.grace_period;
    let service = service_fn(move |request| {
        let exchange = connected.client().exchange();
        let clients = Arc::clone(connected.clients());
        let answer = settings.routes.answer(request);
        async move {
            let answer = answer.await;
            exchange.answers(answer.body().size_hint().lower());
            clients.bound_memory();
            Ok::<_, Infallible>(answer.map(|body| InExchange { body, _exchange: exchange }))
        }
    });
    let connection = http1::Builder::new()
        // What a client may take is counted here: hyper's timeout of a head counts idle time too.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Observed::new(stream, Arc::clone(&client))), service);
    let mut connection = pin!(connection);
    match drive(connection.as_mut(), &client, stopped(&mut stop)).await {
        End::Closed => {}
        End::GivenUp => client.give_up(),
        End::Stopped => {
            connection.as_mut().graceful_shutdown();
            if timeout(grace_period, connection).await.is_err() {
                client.give_up();
            }
        }
    }
}

enum End {
    Closed,
    GivenUp,
    Stopped,
}

/// Serves the connection until it ends, has to stop, or the client is given up.
async fn drive(
    mut connection: Pin<&mut impl Future>,
    client: &Client,
    stop: impl Future<Output = ()>,
) -> End {
    let mut stop = pin!(stop);
    let mut evicted = pin!(client.evicted());
    let mut deadline = pin!(sleep_until(client.deadline()));
    future::poll_fn(|context| {
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::Closed);
        }
        if stop.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::Stopped);
        }
        // Polling the connection may have begun another phase, which has another deadline.
        let next = client.deadline();
        if deadline.deadline() != next {
            deadline.as_mut().reset(next);
        }
        if deadline.as_mut().poll(context).is_ready() || evicted.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::GivenUp);
        }
        Poll::Pending
    })
    .await
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that whoever could stop us is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A body that keeps the exchange open until hyper has taken all of it.
struct InExchange<B> {
    body: B,
    _exchange: Exchange,
}

impl<B: Body + Unpin> Body for InExchange<B> {
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

/// What `work` gives, unless `end` is over before.
async fn unless<T>(end: impl Future, work: impl Future<Output = T>) -> Option<T> {
    let (mut end, mut work) = (pin!(end), pin!(work));
    future::poll_fn(|context| match end.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(context).map(Some),
    })
    .await
}

const MAX_HEAD: usize = 16 << 10;
const PAUSE: Duration = Duration::from_millis(100);
