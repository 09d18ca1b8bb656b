//! A server that replies to the `PING` with an error: it is up, and ready or not.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asdlc_exporter::Exporter;
use asdlc_exporter::health::Check;
use asdlc_exporter::redis::RedisProbe;
use asdlc_tests::servers::{Redis, free_address};
use asdlc_tests::wait::{DEADLINE, eventually, eventually_some};
use redis::AsyncCommands;
use tracing_subscriber::fmt::MakeWriter;

use crate::{connect, exporter, scrape};

const ERRORS: &str = "redis_connection_errors_total";

/// `redis_connection_up`, whether there was a response, and the number of attempts that ended with this error.
fn seen(exporter: &Exporter, error: &str) -> (Option<f64>, bool, Option<f64>) {
    let seen = scrape(exporter);
    let age = seen.value("redis_connection_last_success_age_seconds", &[]);
    (
        seen.value("redis_connection_up", &[]),
        age.is_some(),
        seen.value(ERRORS, &[("error_type", error)]),
    )
}

async fn without_ping() -> Redis {
    let redis = Redis::start();
    redis::cmd("ACL")
        .arg(&["SETUSER", "app", "on", ">pw", "~*", "+@all", "-ping"])
        .exec_async(&mut connect(&redis).await)
        .await
        .expect("a user is made");
    redis
}

fn probe_of(redis: &Redis, user: &str) -> RedisProbe {
    RedisProbe::open(&format!("redis://{user}{}", redis.address())).expect("the URL is valid")
}

// F-32
#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_may_not_ping_is_up_and_ready() {
    let redis = without_ping().await;
    let exporter = exporter();
    let probe = probe_of(&redis, "app:pw@").register(&exporter);
    assert_eq!(seen(&exporter, "permission"), (Some(1.0), true, Some(1.0)));
    assert_eq!(seen(&exporter, "permission"), (Some(1.0), true, Some(2.0)));
    probe.check().await.expect("other commands work");
    // On one connection: it can be used after an error reply.
    let mut admin = connect(&redis).await;
    let connections = crate::info(&mut admin, "clients", "connected_clients").await;
    assert_eq!(connections, 2, "the probe's and this one");
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

// F-32
#[tokio::test]
async fn the_error_is_logged_once() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let redis = without_ping().await;
    let probe = probe_of(&redis, "app:pw@");
    for _ in 0..3 {
        let _ = probe.check().await;
    }
    let text = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("UTF-8");
    let lines: Vec<_> = text.lines().filter(|line| line.contains("permission")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(lines[0].contains("WARN") && !text.contains("pw@"), "{text}");
}

// F-32, a neighbour: a server that loads its data.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loads_its_data_is_up_and_not_ready() {
    let redis = Redis::start_with(&["--enable-debug-command", "yes"]);
    let mut admin = connect(&redis).await;
    for key in 0..2_000 {
        let _: () = admin.set(key, "x".repeat(2_000)).await.expect("Redis responds");
    }
    for (name, value) in
        [("key-load-delay", "5000"), ("loading-process-events-interval-bytes", "1024")]
    {
        let mut config = redis::cmd("CONFIG");
        config.arg("SET").arg(name).arg(value);
        config.exec_async(&mut admin).await.expect("it can be set");
    }
    let exporter = exporter();
    let probe = probe_of(&redis, "").register(&exporter);
    let reload =
        tokio::spawn(async move { redis::cmd("DEBUG").arg("RELOAD").exec_async(&mut admin).await });
    // It serves clients between two keys, so an attempt may be late.
    let mut counted = Some(0.0);
    let answered = || {
        let (up, _, errors) = seen(&exporter, "loading");
        let loads = errors > counted;
        counted = errors;
        loads.then_some(up)
    };
    let up = eventually_some(DEADLINE, answered).expect("it never loads");
    assert_eq!(up, Some(1.0), "an error reply is a reply");
    assert!(probe.check().await.is_err(), "no command works");
    reload.abort();
}

// F-32, a neighbour: a replica that lost its master and does not serve old data.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_its_master_is_up_and_not_ready() {
    let closed = free_address();
    let redis = Redis::start_with(&[
        "--replicaof",
        &format!("127.0.0.1 {}", closed.port()),
        "--replica-serve-stale-data",
        "no",
    ]);
    let exporter = exporter();
    let probe = probe_of(&redis, "").register(&exporter);
    assert_eq!(seen(&exporter, "cluster"), (Some(1.0), true, Some(1.0)));
    assert!(probe.check().await.is_err(), "no command works");
}

// F-32, a neighbour: a server that runs a script.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_runs_a_script_is_up_and_not_ready() {
    let redis = Redis::start_with(&["--busy-reply-threshold", "1"]);
    let exporter = exporter();
    let probe = probe_of(&redis, "").register(&exporter);
    let mut stuck = connect(&redis).await;
    stuck.set_response_timeout(Duration::from_secs(60));
    let script = tokio::spawn(async move {
        redis::cmd("EVAL").arg("while true do end").arg(0).exec_async(&mut stuck).await
    });
    let errors = || seen(&exporter, "server");
    assert!(eventually(DEADLINE, || errors().2 > Some(0.0)), "it is never busy");
    assert_eq!(errors().0, Some(1.0), "an error reply is a reply");
    assert!(probe.check().await.is_err(), "no command works");
    script.abort();
}
