//! Connections that go silent: no byte and no FIN reaches the other side any more.

use std::time::{Duration, Instant};

use asdlc_exporter::Exporter;
use asdlc_exporter::health::Check;
use asdlc_tests::servers::Redis;

use crate::relay::Relay;
use crate::{exporter, scrape};

fn up(exporter: &Exporter) -> Option<f64> {
    scrape(exporter).value("redis_connection_up", &[])
}

// F-31
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_kept_connection_is_replaced_within_the_same_attempt() {
    let redis = Redis::start();
    let relay = Relay::start(redis.address()).await;
    let exporter = exporter();
    relay.probe().register(&exporter);
    assert_eq!(up(&exporter), Some(1.0));
    assert_eq!(up(&exporter), Some(1.0));
    assert_eq!(relay.connections(), 1, "it is kept");
    for connections in 2..=3 {
        relay.silence_existing();
        assert_eq!(up(&exporter), Some(1.0), "a new connection works");
        assert_eq!(relay.connections(), connections);
    }
    let errors = scrape(&exporter).sum("redis_connection_errors_total");
    assert!((errors - 0.0).abs() < f64::EPSILON, "{errors}");
}

// F-31, a neighbour: readiness, which shares attempts with scrapes.
#[tokio::test(flavor = "multi_thread")]
async fn readiness_survives_a_silent_connection() {
    let redis = Redis::start();
    let relay = Relay::start(redis.address()).await;
    let probe = relay.probe();
    probe.check().await.expect("Redis responds");
    relay.silence_existing();
    probe.check().await.expect("Redis responds on a new connection");
}

// F-31, a neighbour: new connections are silent as well.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_on_two_connections_ends_within_its_timeout() {
    let redis = Redis::start();
    let relay = Relay::start(redis.address()).await;
    let probe = relay.probe();
    probe.check().await.expect("Redis responds");
    relay.silence_all();
    let start = Instant::now();
    probe.check().await.expect_err("no response");
    let time = start.elapsed();
    assert!(time >= Duration::from_millis(990) && time < Duration::from_secs(5), "{time:?}");
}
