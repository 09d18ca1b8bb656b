//! A server, or a network, that answers late but in time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use asdlc_exporter::health::Check;
use asdlc_exporter::redis::RedisProbe;
use asdlc_tests::servers::Redis;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// What stands between and passes each answer on after this many milliseconds.
async fn start(server: SocketAddr, delay: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(server).await.expect("Redis listens");
            let ((mut from, mut to), (mut back, mut forth)) =
                (client.into_split(), server.into_split());
            tokio::spawn(async move { copy(&mut from, &mut forth).await });
            let delay = Arc::clone(&delay);
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = back.read(&mut bytes).await {
                    tokio::time::sleep(Duration::from_millis(delay.load(Ordering::Relaxed))).await;
                    if to.write_all(&bytes[..length]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

// F-31, a neighbour: the kept connection is not silent, and a new one needs more than the time that
// is left.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_more_than_a_third_of_the_limit_is_an_answer() {
    let redis = Redis::start();
    let delay = Arc::new(AtomicU64::new(0));
    let between = start(redis.address(), Arc::clone(&delay)).await;
    let probe = RedisProbe::open(&format!("redis://{between}")).expect("the URL is valid");
    let probe = probe.with_timeout(Duration::from_millis(4_500)).expect("in range");
    probe.check().await.expect("Redis answers");
    delay.store(1_800, Ordering::Relaxed);
    for _ in 0..2 {
        probe.check().await.expect("Redis answers in time");
    }
}
