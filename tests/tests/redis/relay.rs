//! A TCP relay between the probe and Redis that can go silent or delay responses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use asdlc_exporter::redis::RedisProbe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub(crate) struct Relay {
    address: SocketAddr,
    /// Connections with a lower number pass nothing on, like a firewall that has forgotten them.
    silent_below: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    /// The delay of each response, in milliseconds.
    delay: Arc<AtomicU64>,
}

impl Relay {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let this = Self {
            address: listener.local_addr().expect("it listens"),
            silent_below: Arc::default(),
            connections: Arc::default(),
            delay: Arc::default(),
        };
        let relay = this.clone();
        let no_delay = Arc::<AtomicU64>::default();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = relay.connections.fetch_add(1, Ordering::Relaxed);
                let server = TcpStream::connect(server).await.expect("Redis listens");
                let ((requests, to_client), (responses, to_server)) =
                    (client.into_split(), server.into_split());
                let (no_delay, delay) = (Arc::clone(&no_delay), Arc::clone(&relay.delay));
                tokio::spawn(relay.clone().pass(number, requests, to_server, no_delay));
                tokio::spawn(relay.clone().pass(number, responses, to_client, delay));
            }
        });
        this
    }

    async fn pass(
        self,
        number: usize,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        delay: Arc<AtomicU64>,
    ) {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            let delay = delay.load(Ordering::Relaxed);
            if delay > 0 {
                tokio::time::sleep(Duration::from_millis(delay)).await;
            }
            if self.is_silent(number) {
                continue;
            }
            if to.write_all(&bytes[..length]).await.is_err() {
                break;
            }
        }
        // A silent connection stays open: there is no FIN.
        if self.is_silent(number) {
            std::future::pending::<()>().await;
        }
    }

    fn is_silent(&self, number: usize) -> bool {
        number < self.silent_below.load(Ordering::Relaxed)
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// All connections so far go silent.
    pub(crate) fn silence_existing(&self) {
        self.silent_below.store(self.connections(), Ordering::Relaxed);
    }

    /// All connections go silent, also new ones.
    pub(crate) fn silence_all(&self) {
        self.silent_below.store(usize::MAX, Ordering::Relaxed);
    }

    /// Delays each response.
    pub(crate) fn set_delay(&self, millis: u64) {
        self.delay.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn probe(&self) -> RedisProbe {
        RedisProbe::open(&format!("redis://{}", self.address)).expect("the URL is valid")
    }
}
