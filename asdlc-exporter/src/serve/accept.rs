//! Accepts connections until the server stops: only from allowed networks, and up to the limit.

use super::{
    client::Clients, connection::serve_connection, limits::Limits, network, routes::Routes,
};
use ipnet::IpNet;
use std::{future, net::IpAddr, pin::pin, sync::Arc, task::Poll, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

/// The routes of a server, the networks that may connect, and the limits.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) routes: Arc<Routes>,
    /// If it is empty, clients of all networks may connect.
    pub(super) networks: Vec<IpNet>,
    pub(super) limits: Limits,
}

impl Settings {
    fn admits(&self, peer: IpAddr) -> bool {
        let is_inside = |allowed| network::contains(allowed, peer);
        self.networks.is_empty() || self.networks.iter().any(is_inside)
    }
}

/// Accepts and serves connections until `stop` is true or its sender is dropped.
pub(super) async fn accept_connections(
    listener: TcpListener,
    settings: Settings,
    mut stop: watch::Receiver<bool>,
) {
    let limits = settings.limits;
    let permits = Arc::new(Semaphore::new(limits.connections));
    let clients = Arc::<Clients>::default();
    let mut connections = JoinSet::new();
    let stop_connections = stop.clone();
    loop {
        let Some(accepted) = until(stopped(&mut stop), listener.accept()).await else { break };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) if settings.admits(peer.ip()) => {
                let permit = until(stopped(&mut stop), acquire_permit(&permits, &clients));
                let Some(Some(permit)) = permit.await else { break };
                let (routes, mut stop) = (Arc::clone(&settings.routes), stop_connections.clone());
                let connected = clients.add(limits);
                connections.spawn(async move {
                    let _permit = permit;
                    let stop = stopped(&mut stop);
                    serve_connection(stream, routes, connected, limits.grace_period, stop).await;
                });
            }
            Ok((_, peer)) => tracing::debug!("{peer} is not in an allowed network"),
            // Usually too many open files. Without the pause this would be a busy loop.
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                until(stopped(&mut stop), sleep(PAUSE)).await;
            }
        }
    }
    drop(listener);
    let ends = async { while connections.join_next().await.is_some() {} };
    // Connections end within the grace period, unless a service blocks its thread.
    let _ = timeout(limits.grace_period + PAUSE, ends).await;
}

/// Waits for a permit. At the connection limit, evicts the client that has been idle or stalled for
/// the longest time, so that inactive clients cannot keep others out.
async fn acquire_permit(
    permits: &Arc<Semaphore>,
    clients: &Clients,
) -> Option<OwnedSemaphorePermit> {
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

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender was dropped, which also stops the server.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The result of `work`. `None` if `end` is ready first.
async fn until<T>(end: impl Future, work: impl Future<Output = T>) -> Option<T> {
    let (mut end, mut work) = (pin!(end), pin!(work));
    future::poll_fn(|context| match end.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(context).map(Some),
    })
    .await
}

const PAUSE: Duration = Duration::from_millis(100);
