//! The Redis adapter against a real server, under real faults.

mod allocations;
mod commands;
mod error_replies;
mod errors;
mod hurried;
mod probe;
mod readiness;
mod relay;
mod silent;
mod slow;
mod tls;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use asdlc_exporter::Exporter;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::Redis;
use redis::aio::MultiplexedConnection;

fn exporter() -> Exporter {
    Exporter::builder("under-test").build().expect("the name is valid")
}

fn scrape(exporter: &Exporter) -> Exposition {
    let text = exporter.render().expect("it renders");
    Exposition::parse(text.as_ref()).expect("it renders valid text")
}

/// A bare connection.
async fn connect(redis: &Redis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url()).expect("the URL is valid");
    client.get_multiplexed_async_connection().await.expect("Redis accepts connections")
}

/// A number from the statistics of the server.
async fn info(connection: &mut MultiplexedConnection, section: &str, key: &str) -> u64 {
    let info: String =
        redis::cmd("INFO").arg(section).query_async(connection).await.expect("statistics");
    let value = info.lines().find_map(|line| line.strip_prefix(key)).expect("the key is there");
    let digits = value.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().expect("a number")
}

/// Polls once, so that the future has started its work.
fn begin<F: Future + ?Sized>(future: Pin<&mut F>) {
    let polled = future.poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending), "it has to wait");
}
