//! The events according to Redis and to the counters of the workers.

use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::Redis;
use asdlc_tests::wait::{DEADLINE, eventually};
use redis::{Connection, Value, cmd, from_redis_value};

/// How many events ended as `success` and as `failed`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Processed {
    pub(crate) success: u64,
    pub(crate) failed: u64,
}

impl Processed {
    pub(crate) fn of(scrape: &Exposition) -> Self {
        let of = |status| {
            let value = scrape.value("asdlc_events_processed_total", &[("status", status)]);
            value.expect("the series exists from the start") as u64
        };
        Self { success: of("success"), failed: of("failed") }
    }

    pub(crate) fn total(self) -> u64 {
        self.success + self.failed
    }
}

impl std::ops::Add for Processed {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { success: self.success + other.success, failed: self.failed + other.failed }
    }
}

/// The state of the stream in Redis, at the end.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// All entries that were ever added.
    pub(crate) added: u64,
    /// Entries in the stream.
    pub(crate) length: u64,
    /// Entries that were delivered and not acknowledged.
    pub(crate) pending: u64,
    /// The outcomes of the tasks. A worker writes the outcome together with the acknowledgement.
    pub(crate) outcomes: Processed,
    /// Tasks in another state.
    pub(crate) unfinished: u64,
}

impl Stream {
    /// Waits until the stream is empty, and returns its state.
    pub(crate) fn drained(redis: &Redis) -> Self {
        let client = redis::Client::open(redis.url()).expect("the URL is valid");
        let mut redis = client.get_connection().expect("Redis listens");
        let mut now = Self::default();
        // If the stream does not become empty, the table shows it.
        let _ = eventually(DEADLINE * 4, || {
            now = Self::numbers(&mut redis);
            (now.length, now.pending) == (0, 0)
        });
        now.count_outcomes(&mut redis);
        now
    }

    fn numbers(redis: &mut Connection) -> Self {
        let info: Vec<Value> =
            cmd("XINFO").arg(("STREAM", STREAM)).query(redis).expect("Redis replies");
        let number = |name: &str| {
            let name = Value::BulkString(name.into());
            let pair = info.chunks(2).find(|pair| pair[0] == name).expect("Redis 7 reports it");
            from_redis_value(pair[1].clone()).expect("the value is a number")
        };
        let pending: Vec<Value> =
            cmd("XPENDING").arg((STREAM, "workers")).query(redis).expect("Redis replies");
        let pending = from_redis_value(pending[0].clone()).expect("the value is a number");
        Self {
            added: number("entries-added"),
            length: number("length"),
            pending,
            ..Self::default()
        }
    }

    /// An id without an outcome was reserved for a task that Redis then rejected. It was never an event.
    fn count_outcomes(&mut self, redis: &mut Connection) {
        let last: u64 = cmd("GET").arg("asdlc:tasks:last").query(redis).expect("Redis replies");
        let ids: Vec<u64> = (1..=last).collect();
        for ids in ids.chunks(1_000) {
            let mut reads = redis::pipe();
            for id in ids {
                reads.cmd("HGET").arg((format!("asdlc:task:{id}"), "state"));
            }
            let states: Vec<Option<String>> = reads.query(redis).expect("Redis replies");
            for state in states.iter().flatten() {
                match state.as_str() {
                    "succeeded" => self.outcomes.success += 1,
                    "failed" => self.outcomes.failed += 1,
                    _ => self.unfinished += 1,
                }
            }
        }
    }
}

const STREAM: &str = "asdlc:events";
