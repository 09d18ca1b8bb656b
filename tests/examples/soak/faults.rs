//! The faults, one after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use asdlc_tests::example::{Example, release_command};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::{Redis, VictoriaMetrics};
use asdlc_tests::wait::{DEADLINE, eventually};
use fastrand::Rng;

use crate::clock::Clock;
use crate::events::Processed;

/// The servers that fail, and the worker that is killed.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) redis: Redis,
    pub(crate) victoria_metrics: VictoriaMetrics,
    pub(crate) victim: Example,
    /// The counters of the victim when it was killed.
    pub(crate) counted_by_victim: Option<Processed>,
    /// How often each fault happened.
    pub(crate) happened: BTreeMap<&'static str, u64>,
}

impl Faults {
    /// Kills and freezes servers until the time is over. At the end all are up. Replaces the victim when `half` is over.
    pub(crate) fn happen(&mut self, clock: &Clock, half: &Clock, mut rng: Rng) {
        let mut kinds = [0, 1, 2, 3];
        while clock.is_running() {
            rng.shuffle(&mut kinds);
            for kind in kinds {
                clock.pass(Duration::from_millis(rng.u64(1_000..5_000)));
                if !clock.is_running() {
                    break;
                }
                // This can be longer than the timeouts of scrapes, checks and commands.
                let outage = Duration::from_millis(rng.u64(500..4_000));
                self.happens(kind, || clock.pass(outage));
                if !half.is_running() && self.counted_by_victim.is_none() {
                    self.replace_the_victim();
                }
            }
        }
    }

    fn happens(&mut self, kind: u8, outage: impl Fn()) {
        let name = match kind {
            0 => {
                self.redis.kill();
                outage();
                self.redis.restart();
                "Redis killed"
            }
            1 => {
                self.redis.process().freeze();
                outage();
                self.redis.process().thaw();
                "Redis frozen"
            }
            2 => {
                self.victoria_metrics.kill();
                outage();
                self.victoria_metrics.start_again();
                "VictoriaMetrics killed"
            }
            _ => {
                self.victoria_metrics.process().freeze();
                outage();
                self.victoria_metrics.process().thaw();
                "VictoriaMetrics frozen"
            }
        };
        *self.happened.entry(name).or_default() += 1;
    }

    /// Kills the victim while Redis is frozen. Then nothing is acknowledged, so its counters do not change after the last scrape.
    fn replace_the_victim(&mut self) {
        self.redis.process().freeze();
        let mut last = None;
        let settled = eventually(DEADLINE, || {
            let before = last.replace(Processed::of(&self.victim.scrape()));
            before == last
        });
        assert!(settled, "the counters of the victim change while Redis is frozen");
        self.counted_by_victim = last;
        let address = self.victim.address();
        self.victim.process().kill();
        assert!(eventually(DEADLINE, || std::net::TcpStream::connect(address).is_err()));
        self.redis.process().thaw();
        // On the same port, so that it is the same target for Prometheus.
        self.victim = worker(&self.redis, &address.to_string());
        *self.happened.entry("worker killed").or_default() += 1;
    }
}

/// Starts a worker of the consumer group.
pub(crate) fn worker(redis: &Redis, address: &str) -> Example {
    let mut command = release_command("workers");
    command.env("LISTEN_ADDR", address).env("REDIS_URL", redis.url()).env("RUST_LOG", "error");
    // Longer than any outage, so that no worker takes over the events of a live one.
    command.env("ABANDONED_AFTER", "15").env("WORKERS", POOL.to_string());
    Example::spawn(command)
}

/// The resident memory in bytes.
pub(crate) fn memory(scrape: &Exposition) -> u64 {
    let resident = scrape.value("asdlc_process_memory_bytes", &[("type", "rss")]);
    resident.expect("the program exposes its memory") as u64
}

/// How many events each worker program processes at the same time.
pub(crate) const POOL: u64 = 4;
