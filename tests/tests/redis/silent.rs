//! Connections that go silent on the way: no byte and no FIN reaches the other side any more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use asdlc_exporter::Exporter;
use asdlc_exporter::health::Check;
use asdlc_exporter::redis::RedisProbe;
use asdlc_tests::servers::Redis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::{exporter, scrape};

/// What stands between, as a firewall does that forgets connections.
#[derive(Clone)]
struct Between {
    address: SocketAddr,
    /// Connections with a lower number are silent.
    silent_below: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Between {
    async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let this = Self {
            address: listener.local_addr().expect("it listens"),
            silent_below: Arc::default(),
            connections: Arc::default(),
        };
        let between = this.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = between.connections.fetch_add(1, Ordering::Relaxed);
                let server = TcpStream::connect(server).await.expect("Redis listens");
                let ((from, to), (back, forth)) = (client.into_split(), server.into_split());
                tokio::spawn(between.clone().pass(number, from, forth));
                tokio::spawn(between.clone().pass(number, back, to));
            }
        });
        this
    }

    async fn pass(self, number: usize, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            if number < self.silent_below.load(Ordering::Relaxed) {
                continue;
            }
            if to.write_all(&bytes[..length]).await.is_err() {
                break;
            }
        }
        // Open for good: no FIN.
        if number < self.silent_below.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    fn forget_all(&self) {
        self.silent_below.store(self.connections.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn probe(&self) -> RedisProbe {
        RedisProbe::open(&format!("redis://{}", self.address)).expect("the URL is valid")
    }
}

fn up(exporter: &Exporter) -> Option<f64> {
    scrape(exporter).value("redis_connection_up", &[])
}

// F-31
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_went_silent_is_replaced_within_the_same_look() {
    let redis = Redis::start();
    let between = Between::start(redis.address()).await;
    let exporter = exporter();
    between.probe().register(&exporter);
    assert_eq!(up(&exporter), Some(1.0));
    assert_eq!(up(&exporter), Some(1.0));
    assert_eq!(between.connections.load(Ordering::Relaxed), 1, "it is kept");
    for connections in 2..=3 {
        between.forget_all();
        assert_eq!(up(&exporter), Some(1.0), "a new connection works");
        assert_eq!(between.connections.load(Ordering::Relaxed), connections);
    }
    let errors = scrape(&exporter).sum("redis_connection_errors_total");
    assert!((errors - 0.0).abs() < f64::EPSILON, "{errors}");
}

// F-31, a neighbour: readiness, which has the same look.
#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_not_lost_with_a_silent_connection() {
    let redis = Redis::start();
    let between = Between::start(redis.address()).await;
    let probe = between.probe();
    probe.check().await.expect("Redis answers");
    between.forget_all();
    probe.check().await.expect("Redis answers on a new connection");
}

// F-31, a neighbour: new connections are silent as well.
#[tokio::test(flavor = "multi_thread")]
async fn the_whole_look_stays_within_its_limit() {
    let redis = Redis::start();
    let between = Between::start(redis.address()).await;
    let probe = between.probe();
    probe.check().await.expect("Redis answers");
    between.silent_below.store(usize::MAX, Ordering::Relaxed);
    let start = Instant::now();
    probe.check().await.expect_err("nobody answers");
    let time = start.elapsed();
    assert!(time >= Duration::from_millis(990) && time < Duration::from_secs(5), "{time:?}");
}
