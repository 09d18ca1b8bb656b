//! Liveness and readiness while dependencies are killed, frozen and restarted.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use asdlc_tests::servers::{Postgres, Redis, free_address};
use asdlc_tests::wait::{DEADLINE, eventually};

use super::harness::{Api, Dependency, EVENT, EventStore, Silence, run};

//
#[test]
fn liveness_has_status_and_uptime() {
    let api = Api::start();
    let (status, body) = api.get("/v1/health");
    assert_eq!((status, &body["status"]), (200, &"ok".into()));
    let uptime = |body: &serde_json::Value| body["uptime_seconds"].as_f64().expect("a number");
    let first = uptime(&body);
    assert!(first >= 0.0);
    assert!(eventually(DEADLINE, || uptime(&api.get("/v1/health").1) > first));
}

//
#[test]
fn readiness_lists_the_configured_dependencies_with_health_and_latency() {
    let api = Api::start();
    assert_eq!(api.await_readiness(200, &[]).names(), ["database", "event_store"]);

    let (postgres, redis, store) = (Postgres::start(), Redis::start(), EventStore::start());
    let api = Api::start_with(&[
        ("DATABASE_URL", &postgres.url()),
        ("REDIS_URL", &redis.url()),
        ("EVENT_STORE_URL", &store.url()),
    ]);
    let readiness = api.await_readiness(200, &[]);
    assert_eq!(readiness.names(), ["database", "redis", "event_store"]);
    assert_eq!(readiness.body["status"], "ready");
    for dependency in readiness.dependencies() {
        assert_eq!(dependency["healthy"], true, "{dependency}");
        assert!(dependency["latency_ms"].as_f64().is_some_and(|time| time > 0.0), "{dependency}");
    }
}

// A-05 A-06
#[test]
fn postgres_dies_freezes_and_comes_back() {
    let mut postgres = Postgres::start();
    let api = Api::start_with(&[("DATABASE_URL", &postgres.url())]);
    // Without a configured event store the database is the event store.
    let unhealthy = ["database", "event_store"];
    comes_and_goes(&api, &mut postgres, &unhealthy);
    // The database has exactly the accepted events.
    let taken = api.get("/v1/events?limit=1000").1.as_array().expect("a list").len();
    assert_eq!(postgres.query("SELECT count(*) FROM events"), [taken.to_string()]);
}

// A-05 A-06
#[test]
fn redis_dies_freezes_and_comes_back() {
    let mut redis = Redis::start();
    let api = Api::start_with(&[("REDIS_URL", &redis.url())]);
    comes_and_goes(&api, &mut redis, &["redis"]);
}

//
#[test]
fn a_scrape_and_readiness_agree_on_redis() {
    let up = |api: &Api| api.metrics().value("redis_connection_up", &[]);
    assert_eq!(up(&Api::start()), Some(0.0), "without Redis it is not up");

    let mut redis = Redis::start();
    let api = Api::start_with(&[("REDIS_URL", &redis.url())]);
    api.await_readiness(200, &[]);
    assert_eq!(up(&api), Some(1.0));
    redis.kill();
    assert_eq!(up(&api), Some(0.0));
    api.await_readiness(503, &["redis"]);
    redis.restart();
    assert!(eventually(DEADLINE, || up(&api) == Some(1.0)));
    api.await_readiness(200, &[]);
}

// A-05 A-06
#[test]
fn the_event_store_dies_freezes_and_comes_back() {
    let mut store = EventStore::start();
    let api = Api::start_with(&[("EVENT_STORE_URL", &store.url())]);
    comes_and_goes(&api, &mut store, &["event_store"]);
}

/// Readiness names the dependency while it is unavailable. Liveness stays 200. No request waits long for it.
#[track_caller]
fn comes_and_goes(api: &Api, dependency: &mut dyn Dependency, names: &[&str]) {
    let mut taken = vec![api.await_taken()];
    api.await_readiness(200, &[]);
    // Twice, because the first failure must not affect the second one.
    for _ in 0..2 {
        dependency.kill();
        assert_unavailable(api, names);
        dependency.restart();
        api.await_readiness(200, &[]);
        taken.push(api.await_taken());

        dependency.freeze();
        assert_unavailable(api, names);
        dependency.thaw();
        api.await_readiness(200, &[]);
        taken.push(api.await_taken());
    }
    for id in taken {
        assert_eq!(api.get(&format!("/v1/events/{id}")).1["data"]["order"], 7);
    }
}

#[track_caller]
fn assert_unavailable(api: &Api, names: &[&str]) {
    let readiness = api.await_readiness(503, names);
    assert_eq!(readiness.body["status"], "not_ready");
    api.assert_alive();
    let start = Instant::now();
    let mut quick = false;
    let refused = eventually(DEADLINE, || {
        let start = Instant::now();
        let (status, _) = api.post(EVENT);
        quick = start.elapsed() < REFUSED_WITHIN;
        assert_eq!(status, 503);
        quick
    });
    assert!(refused && quick, "{:?}", start.elapsed());
    api.assert_alive();
}

//
#[test]
fn dependencies_that_freeze_together_are_reported_together_within_one_timeout() {
    let (postgres, redis, store) = (Postgres::start(), Redis::start(), EventStore::start());
    let api = Api::start_with(&[
        ("DATABASE_URL", &postgres.url()),
        ("REDIS_URL", &redis.url()),
        ("EVENT_STORE_URL", &store.url()),
    ]);
    api.await_readiness(200, &[]);
    let all: [&dyn Dependency; 3] = [&postgres, &redis, &store];
    all.iter().for_each(|dependency| dependency.freeze());
    let readiness = api.await_readiness(503, &["database", "redis", "event_store"]);
    // The checks ran concurrently: the sum of their times is more than the time of the response.
    let times: Vec<_> =
        readiness.dependencies().iter().filter_map(|one| one["latency_ms"].as_f64()).collect();
    assert!(times.iter().sum::<f64>() > 1_000.0 * readiness.took.as_secs_f64(), "{readiness:?}");
    api.assert_alive();
    all.iter().for_each(|dependency| dependency.thaw());
    api.await_readiness(200, &[]);
    api.await_taken();
}

//
#[test]
fn the_service_starts_before_its_dependencies() {
    let mut postgres = Postgres::start();
    postgres.kill();
    let nobody = free_address();
    let api = Api::start_with(&[
        ("DATABASE_URL", &postgres.url()),
        ("REDIS_URL", &format!("redis://{}", Silence::start().address())),
        ("EVENT_STORE_URL", &format!("http://{nobody}/v1")),
    ]);
    api.assert_alive();
    api.await_readiness(503, &["database", "redis", "event_store"]);
    postgres.restart();
    api.await_readiness(503, &["redis", "event_store"]);
}

//
#[test]
fn the_embedded_database_is_really_checked() {
    let api = Api::start();
    api.await_taken();
    let file = api.directory().join("api.db");
    let elsewhere = api.directory().join("elsewhere.db");
    api.await_readiness(200, &[]);
    fs::rename(&file, &elsewhere).expect("it exists");
    api.await_readiness(503, &["database"]);
    fs::rename(&elsewhere, &file).expect("it exists");
    api.await_readiness(200, &[]);

    sqlite(&api, "ALTER TABLE events RENAME TO other");
    api.await_readiness(503, &["event_store"]);
    api.assert_alive();
    sqlite(&api, "ALTER TABLE other RENAME TO events");
    api.await_readiness(200, &[]);
    api.await_taken();
}

#[track_caller]
fn sqlite(api: &Api, statement: &str) {
    let mut python = Command::new("python3");
    let script =
        "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute(sys.argv[2])\nc.commit()";
    python.args(["-c", script]).arg(api.directory().join("api.db")).arg(statement);
    let finished = run(python);
    assert!(finished.status.success(), "{finished:?}");
}

/// At most one second for each of the three dependencies, and time for a busy machine.
const REFUSED_WITHIN: Duration = Duration::from_secs(4);
