//! Starts workers, and reads their metrics and their stream.

use asdlc_tests::example::{Example, command};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::Redis;
use asdlc_tests::wait::{DEADLINE, eventually};
use redis::streams::StreamInfoStreamReply;
use redis::{Connection, TypedCommands};
use serde_json::Value;

/// The number of events that ended as `success` and as `failed`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Processed {
    pub(crate) success: f64,
    pub(crate) failed: f64,
}

/// Starts a worker program that gets its events by `POST /events`.
pub(crate) fn alone() -> Example {
    Example::start("workers")
}

/// Starts a worker program of the consumer group. Events without a heartbeat for one second are taken over.
pub(crate) fn worker_of(redis: &Redis) -> Example {
    Example::start_with("workers", &[("REDIS_URL", &redis.url()), ("ABANDONED_AFTER", "1")])
}

pub(crate) fn post(worker: &Example, kind: &str, input: &str) {
    let body = format!(r#"{{"kind":"{kind}","input":"{input}"}}"#);
    let response = worker.connect().post_json("/events", &body);
    assert_eq!(response.status(), 202, "{:?}", response.body());
}

pub(crate) fn stats(worker: &Example) -> Value {
    let response = worker.connect().get("/stats");
    assert_eq!(response.status(), 200);
    serde_json::from_slice(response.body()).expect("the body is JSON")
}

impl Processed {
    pub(crate) fn of(scrape: &Exposition) -> Self {
        let of = |status| {
            scrape.value("asdlc_events_processed_total", &[("status", status)]).expect("it exists")
        };
        Self { success: of("success"), failed: of("failed") }
    }

    pub(crate) fn in_stats(stats: &Value) -> Self {
        let of = |status| stats["events_processed"][status].as_f64().expect("it is a number");
        Self { success: of("success"), failed: of("failed") }
    }

    pub(crate) fn total(self) -> f64 {
        self.success + self.failed
    }
}

impl std::ops::Add for Processed {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { success: self.success + other.success, failed: self.failed + other.failed }
    }
}

/// Waits until the pool has processed `expected` events.
#[track_caller]
pub(crate) fn await_processed(worker: &Example, expected: f64) -> Processed {
    let done = eventually(DEADLINE, || Processed::of(&worker.scrape()).total() >= expected);
    let processed = Processed::of(&worker.scrape());
    assert!(done, "{processed:?} of {expected}: {:?}", worker.process());
    processed
}

pub(crate) fn connect(redis: &Redis) -> Connection {
    let client = redis::Client::open(redis.url()).expect("it is a URL");
    client.get_connection().expect("Redis listens")
}

pub(crate) const STREAM: &str = "asdlc:events";
pub(crate) const GROUP: &str = "workers";

/// Adds an event without a task.
pub(crate) fn add(connection: &mut Connection, kind: &str, input: &str) {
    let work = format!(r#"{{"kind":"{kind}","input":"{input}"}}"#);
    connection.xadd(STREAM, "*", &[("work", work)]).expect("Redis takes it");
}

/// The stream according to Redis.
#[derive(Debug, PartialEq)]
pub(crate) struct StreamNumbers {
    pub(crate) added: usize,
    pub(crate) length: usize,
    pub(crate) pending: usize,
}

pub(crate) fn stream_numbers(connection: &mut Connection) -> StreamNumbers {
    let length = connection.xlen(STREAM).expect("the server responds");
    let groups = connection.xinfo_groups(STREAM).expect("the server responds").groups;
    let pending = groups.iter().find(|group| group.name == GROUP).map_or(0, |group| group.pending);
    let _: StreamInfoStreamReply = connection.xinfo_stream(STREAM).expect("the server responds");
    let info: Vec<redis::Value> =
        redis::cmd("XINFO").arg(("STREAM", STREAM)).query(connection).expect("the server responds");
    let added = info
        .chunks(2)
        .find(|pair| pair[0] == redis::Value::BulkString(b"entries-added".to_vec()))
        .and_then(|pair| redis::from_redis_value(pair[1].clone()).ok());
    StreamNumbers { added: added.expect("Redis 7 reports it"), length, pending }
}

/// The command that starts the workers, without the variables of the examples.
pub(crate) fn workers() -> std::process::Command {
    command("workers")
}
