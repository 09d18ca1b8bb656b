//! Accepts connections until it is told to stop, and ends them.

use super::{network::Network, routes::Routes};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible, future, net::IpAddr, pin::pin, sync::Arc, task::Poll, time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

/// What a server was told.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) routes: Routes,
    pub(super) networks: Vec<Network>,
    pub(super) connection_limit: usize,
    pub(super) read_timeout: Duration,
    pub(super) grace_period: Duration,
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
    let permits = Arc::new(Semaphore::new(settings.connection_limit));
    let mut connections = JoinSet::new();
    let for_connections = stop.clone();
    loop {
        // A place first: who waits in the kernel's queue costs us nothing.
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            Some((permit, listener.accept().await))
        };
        let Some(Some((permit, accepted))) = unless(stopped(&mut stop), next).await else { break };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) if settings.admits(peer.ip()) => {
                let (settings, stop) = (Arc::clone(&settings), for_connections.clone());
                connections.spawn(async move {
                    let _permit = permit;
                    connection(stream, settings, stop).await;
                });
            }
            Ok((_, peer)) => tracing::debug!("{peer} is in none of the allowed networks"),
            // Too many open files, mostly: it passes, and asking at once would be a busy loop.
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                unless(stopped(&mut stop), sleep(ACCEPT_PAUSE)).await;
            }
        }
    }
    drop(listener);
    let ends = async { while connections.join_next().await.is_some() {} };
    // Each ends itself by then; this is for what keeps its thread.
    let _ = timeout(settings.grace_period + ACCEPT_PAUSE, ends).await;
}

async fn connection(stream: TcpStream, settings: Arc<Settings>, mut stop: watch::Receiver<bool>) {
    let answering = Arc::clone(&settings);
    let service = service_fn(move |request| {
        let answer = answering.routes.answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.read_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // A client that reads its answer too slowly has no other limit.
    let over = unless(stopped(&mut stop), sleep(MAX_AGE));
    if unless(over, connection.as_mut()).await.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(settings.grace_period, connection).await;
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that whoever could stop us is gone.
    let _ = stop.wait_for(|stop| *stop).await;
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
const MAX_AGE: Duration = Duration::from_secs(120);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
