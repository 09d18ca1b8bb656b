//! The events, as Redis knows them and as the workers have counted them.

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
            value.expect("it is there from the start") as u64
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

/// What Redis says, at the end.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// All that were ever added.
    pub(crate) added: u64,
    /// Still there.
    pub(crate) length: u64,
    /// Delivered and not acknowledged.
    pub(crate) pending: u64,
    /// What became of the tasks, as their workers wrote it with the acknowledgement.
    pub(crate) outcomes: Processed,
    /// Tasks that have another state.
    pub(crate) unfinished: u64,
}

impl Stream {
    /// Waits until it is empty, and looks.
    pub(crate) fn drained(redis: &Redis) -> Self {
        let client = redis::Client::open(redis.url()).expect("it is a URL");
        let mut redis = client.get_connection().expect("Redis listens");
        let mut now = Self::default();
        // However it ends, what it says is in the table.
        let _ = eventually(DEADLINE * 4, || {
            now = Self::numbers(&mut redis);
            (now.length, now.pending) == (0, 0)
        });
        now.count_outcomes(&mut redis);
        now
    }

    fn numbers(redis: &mut Connection) -> Self {
        let info: Vec<Value> =
            cmd("XINFO").arg(("STREAM", STREAM)).query(redis).expect("it answers");
        let number = |name: &str| {
            let name = Value::BulkString(name.into());
            let pair = info.chunks(2).find(|pair| pair[0] == name).expect("Redis 7 tells");
            from_redis_value(pair[1].clone()).expect("it is a number")
        };
        let pending: Vec<Value> =
            cmd("XPENDING").arg((STREAM, "workers")).query(redis).expect("it answers");
        let pending = from_redis_value(pending[0].clone()).expect("it is a number");
        Self {
            added: number("entries-added"),
            length: number("length"),
            pending,
            ..Self::default()
        }
    }

    /// A number that was taken for a task that Redis then refused has no outcome: it was never an event.
    fn count_outcomes(&mut self, redis: &mut Connection) {
        let last: u64 = cmd("GET").arg("asdlc:tasks:last").query(redis).expect("it answers");
        let ids: Vec<u64> = (1..=last).collect();
        for ids in ids.chunks(1_000) {
            let mut reads = redis::pipe();
            for id in ids {
                reads.cmd("HGET").arg((format!("asdlc:task:{id}"), "state"));
            }
            let states: Vec<Option<String>> = reads.query(redis).expect("it answers");
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
