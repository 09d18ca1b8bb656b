//! `redis_connection_up` while a real server is killed, frozen and restarted.

use std::time::Duration;

use asdlc_exporter::health::Check;
use asdlc_exporter::redis::RedisProbe;
use asdlc_exporter::{Exporter, redis::RedisMetrics};
use asdlc_tests::servers::{Redis, free_address};
use asdlc_tests::wait::{DEADLINE, eventually};
use tokio::runtime::Runtime;

use crate::{begin, connect, exporter, info, scrape};

const ERRORS: &str = "redis_connection_errors_total";

/// An exporter that waits for the probe: only the timeout of the probe ends an attempt.
fn patient() -> Exporter {
    Exporter::builder("under-test")
        .with_source_timeout(Duration::from_secs(60))
        .build()
        .expect("the name is valid")
}

fn open(redis: &Redis) -> RedisProbe {
    RedisProbe::open(&redis.url()).expect("the URL is valid")
}

fn with_timeout(probe: RedisProbe, millis: u64) -> RedisProbe {
    probe.with_timeout(Duration::from_millis(millis)).expect("it is allowed")
}

#[track_caller]
fn assert_up(exporter: &Exporter) {
    assert_eq!(scrape(exporter).value("redis_connection_up", &[]), Some(1.0));
}

/// For a server that responds again some time after it was thawed.
#[track_caller]
fn await_up(exporter: &Exporter) {
    let up = || scrape(exporter).value("redis_connection_up", &[]) == Some(1.0);
    assert!(eventually(DEADLINE, up), "it stays down");
}

/// Down at this scrape, with this error for this number of times.
#[track_caller]
fn assert_down(exporter: &Exporter, reason: &str, times: u32) {
    let seen = scrape(exporter);
    assert_eq!(seen.value("redis_connection_up", &[]), Some(0.0));
    let failed: Vec<_> = seen.samples(ERRORS).filter(|sample| sample.value > 0.0).collect();
    assert_eq!(seen.value(ERRORS, &[("error_type", reason)]), Some(times.into()), "{failed:?}");
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_0_and_1_at_the_first_scrape_after_it_came_back() {
    let (exporter, mut redis) = (patient(), Redis::start());
    open(&redis).register(&exporter);
    for dead in 1..=2 {
        assert_up(&exporter);
        redis.kill();
        assert_down(&exporter, "refused", 2 * dead - 1);
        assert_down(&exporter, "refused", 2 * dead);
        redis.restart();
        assert_up(&exporter);
    }
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarted_between_two_scrapes_is_1_at_both() {
    let (exporter, mut redis) = (patient(), Redis::start());
    open(&redis).register(&exporter);
    assert_up(&exporter);
    redis.restart();
    let seen = scrape(&exporter);
    assert_eq!(seen.value("redis_connection_up", &[]), Some(1.0));
    assert_eq!(seen.sum(ERRORS), 0.0);
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_0_after_the_timeout_and_1_when_it_thaws() {
    let (exporter, redis) = (patient(), Redis::start());
    // The probe connects to a frozen server, and its server freezes after it has connected.
    redis.process().freeze();
    with_timeout(open(&redis), 200).register(&exporter);
    assert_down(&exporter, "timeout", 1);
    redis.process().thaw();
    await_up(&exporter);
    let before = scrape(&exporter).value(ERRORS, &[("error_type", "timeout")]).expect("a counter");
    redis.process().freeze();
    let seen = scrape(&exporter);
    assert_eq!(seen.value("redis_connection_up", &[]), Some(0.0));
    assert_eq!(seen.value(ERRORS, &[("error_type", "timeout")]), Some(before + 1.0));
    redis.process().thaw();
    await_up(&exporter);
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_that_cannot_wait_for_the_response_has_0_and_not_the_last_value() {
    let exporter = Exporter::builder("under-test")
        .with_source_timeout(Duration::from_millis(100))
        .build()
        .expect("the name is valid");
    let redis = Redis::start();
    with_timeout(open(&redis), 4_500).register(&exporter);
    await_up(&exporter);
    redis.process().freeze();
    assert_eq!(scrape(&exporter).value("redis_connection_up", &[]), Some(0.0));
    redis.process().thaw();
    await_up(&exporter);
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_missing_password_is_0_until_the_server_accepts_it() {
    let redis = Redis::start_with(&["--requirepass", "right-one"]);
    let (missing, wrong, right) = (patient(), patient(), patient());
    let url = |password: &str| format!("redis://:{password}@{}", redis.address());
    open(&redis).register(&missing);
    RedisProbe::open(&url("wrong-one")).expect("valid").register(&wrong);
    RedisProbe::open(&url("right-one")).expect("valid").register(&right);
    assert_down(&missing, "authentication", 1);
    assert_down(&wrong, "authentication", 1);
    assert_up(&right);

    let client = redis::Client::open(url("right-one")).expect("valid");
    let mut admin = client.get_multiplexed_async_connection().await.expect("it connects");
    let mut config = redis::cmd("CONFIG");
    config.arg("SET").arg("requirepass").arg("wrong-one");
    config.exec_async(&mut admin).await.expect("the password is changed");
    assert_up(&wrong);
    assert_down(&missing, "authentication", 2);
    for exporter in [missing, wrong, right] {
        let text = exporter.render().expect("it renders");
        assert!(!text.contains("-one"), "{text}");
    }
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_redis_is_0() {
    let (exporter, address) = (patient(), free_address());
    let listener = tokio::net::TcpListener::bind(address).await.expect("the address is free");
    let answering = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    RedisProbe::open(&format!("redis://{address}")).expect("valid").register(&exporter);
    let seen = tokio::task::spawn_blocking(move || scrape(&exporter)).await.expect("a scrape");
    assert_eq!(seen.value("redis_connection_up", &[]), Some(0.0));
    assert_eq!(seen.sum(ERRORS), 1.0);
    answering.abort();
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_callers_share_one_ping_and_scrapes_share_one_connection() {
    let exporter = Exporter::builder("under-test")
        .with_source_timeout(Duration::from_millis(100))
        .build()
        .expect("the name is valid");
    let redis = Redis::start();
    let mut admin = connect(&redis).await;
    let connections = info(&mut admin, "stats", "total_connections_received").await;
    let probe = with_timeout(open(&redis), 4_500).register(&exporter);
    probe.check().await.expect("Redis responds");
    let pings = info(&mut admin, "commandstats", "cmdstat_ping:calls=").await;

    redis.process().freeze();
    let mut checks: Vec<_> = (0..10).map(|_| probe.check()).collect();
    checks.iter_mut().for_each(|check| begin(check.as_mut()));
    assert_eq!(scrape(&exporter).value("redis_connection_up", &[]), Some(0.0));
    redis.process().thaw();
    for check in checks {
        check.await.expect("Redis responds again");
    }
    assert_eq!(info(&mut admin, "commandstats", "cmdstat_ping:calls=").await, pings + 1);
    assert_eq!(info(&mut admin, "stats", "total_connections_received").await, connections + 1);
}

// O-06
#[tokio::test(flavor = "multi_thread")]
async fn the_age_of_the_last_success_is_absent_before_it_and_grows_after_it() {
    const AGE: &str = "redis_connection_last_success_age_seconds";
    let (exporter, mut redis) = (patient(), Redis::start());
    redis.kill();
    open(&redis).register(&exporter);
    assert_eq!(scrape(&exporter).value(AGE, &[]), None);
    redis.restart();
    let fresh = scrape(&exporter).value(AGE, &[]).expect("it was up");
    redis.kill();
    let older = scrape(&exporter).value(AGE, &[]).expect("it was up");
    let oldest = scrape(&exporter).value(AGE, &[]).expect("it was up");
    assert!(fresh >= 0.0 && older < oldest, "{fresh} {older} {oldest}");
    redis.restart();
    assert!(scrape(&exporter).value(AGE, &[]).expect("it is up") < oldest);
}

// O-06
#[test]
fn the_probe_works_outside_of_a_runtime() {
    let (exporter, mut redis) = (patient(), Redis::start());
    open(&redis).register(&exporter);
    assert_up(&exporter);
    assert_up(&exporter);
    redis.kill();
    assert_down(&exporter, "refused", 1);
    redis.restart();
    assert_up(&exporter);
}

// O-06
#[test]
fn the_probe_is_0_when_its_runtime_has_stopped() {
    let (exporter, redis) = (patient(), Redis::start());
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async { open(&redis).register(&exporter) });
    assert_up(&exporter);
    drop(runtime);
    assert_down(&exporter, "cancelled", 1);
    assert_down(&exporter, "cancelled", 2);
}

// O-06, W-05
#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_redis_serves_0() {
    let exporter = exporter();
    let probe = with_timeout(RedisProbe::absent(), 2_000).register(&exporter);
    let seen = scrape(&exporter);
    assert_eq!(seen.value("redis_connection_up", &[]), Some(0.0));
    assert_eq!(seen.sum(ERRORS), 0.0);
    assert!(probe.check().await.is_err());
    let _metrics = RedisMetrics::new(&exporter.meter());
}
