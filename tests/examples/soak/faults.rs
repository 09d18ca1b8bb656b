//! What goes wrong, one thing after the other.

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
    /// What the victim had counted when it was killed.
    pub(crate) of_the_victim: Option<Processed>,
    /// How often each happened.
    pub(crate) happened: BTreeMap<&'static str, u64>,
}

impl Faults {
    /// Kills and freezes until the time is over, and leaves all up. The victim dies at `half`.
    pub(crate) fn happen(&mut self, clock: &Clock, half: &Clock, mut rng: Rng) {
        let mut kinds = [0, 1, 2, 3];
        while clock.is_running() {
            rng.shuffle(&mut kinds);
            for kind in kinds {
                clock.pass(Duration::from_millis(rng.u64(1_000..5_000)));
                if !clock.is_running() {
                    break;
                }
                // Longer than a scrape, a check and a command may take.
                let outage = Duration::from_millis(rng.u64(500..4_000));
                self.happens(kind, || clock.pass(outage));
                if !half.is_running() && self.of_the_victim.is_none() {
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

    /// Kills it when it cannot count: while Redis is frozen nothing is acknowledged, so that its last scrape is the truth.
    fn replace_the_victim(&mut self) {
        self.redis.process().freeze();
        let mut last = None;
        let settled = eventually(DEADLINE, || {
            let before = last.replace(Processed::of(&self.victim.scrape()));
            before == last
        });
        assert!(settled, "the victim counts on while Redis is frozen");
        self.of_the_victim = last;
        let address = self.victim.address();
        self.victim.process().kill();
        assert!(eventually(DEADLINE, || std::net::TcpStream::connect(address).is_err()));
        self.redis.process().thaw();
        // On the same port: it is the same target to Prometheus.
        self.victim = worker(&self.redis, &address.to_string());
        *self.happened.entry("worker killed").or_default() += 1;
    }
}

/// Starts a worker of the consumer group.
pub(crate) fn worker(redis: &Redis, address: &str) -> Example {
    let mut command = release_command("workers");
    command.env("LISTEN_ADDR", address).env("REDIS_URL", redis.url()).env("RUST_LOG", "error");
    // Longer than any outage: nobody takes over from one who lives.
    command.env("ABANDONED_AFTER", "15").env("WORKERS", POOL.to_string());
    Example::spawn(command)
}

/// In bytes.
pub(crate) fn memory(scrape: &Exposition) -> u64 {
    let resident = scrape.value("asdlc_process_memory_bytes", &[("type", "rss")]);
    resident.expect("it tells its memory") as u64
}

/// How many events each of the workers carries out at the same time.
pub(crate) const POOL: u64 = 4;
