//! Series that appear, pause until they are hidden, and return, at random: no error is counted twice.

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::time::Duration;

use asdlc_tests::servers::{Generation, Prometheus, free_address};
use fastrand::Rng;

use super::counted::{Counted, increase, names, stored};

//
#[test]
fn no_error_of_a_random_run_is_counted_twice() {
    // Two programs that record the same. Prometheus 3.5 ends with a fatal error if a native histogram starts in the millisecond of its
    // last sample, which the time of another server's scrape can be.
    let mut programs = [free_address(), free_address()].map(start);
    let addresses = programs.each_ref().map(|it| it.served.address());
    let builder = Prometheus::builder(Generation::New).with_native_histograms();
    let builder = builder.with_interval(Duration::from_millis(200));
    let asking = |protocol| builder.clone().with_protocols(&[protocol]);
    let protobuf = asking("PrometheusProto").with_start_times().scraping(addresses[0]);
    let open_metrics = asking("OpenMetricsText1.0.0").with_start_times().scraping(addresses[1]);
    let unaware = asking("PrometheusProto").scraping(addresses[1]);
    let await_scrapes = |programs: &[Counted; 2], count| {
        programs[1].served.await_answers(PROTOBUF, count);
        programs[1].served.await_answers(OPEN_METRICS, count);
        programs[0].served.await_answers(PROTOBUF, count);
    };
    await_scrapes(&programs, 2);

    let mut rng = Rng::with_seed(setting("RANDOM_SERIES_SEED", SEED));
    let steps = setting("RANDOM_SERIES_STEPS", STEPS);
    let mut kinds: Vec<_> = (0..KINDS).map(|_| Kind::default()).collect();
    let mut recorded = BTreeMap::<String, u64>::new();
    for step in 0..steps {
        for (number, kind) in kinds.iter_mut().enumerate() {
            if let Some(count) = kind.step(&mut rng) {
                let name = format!("kind-{number}");
                programs.iter().for_each(|program| program.record(name.clone(), count));
                *recorded.entry(name).or_default() += count;
            }
        }
        // A scraper that nobody knows of.
        if rng.u8(..4) == 0 {
            programs.iter().for_each(|it| _ = it.exporter.render().expect("it is valid"));
        }
        if step == steps / 2 {
            drop(programs);
            programs = addresses.map(start);
        }
        programs[0].served.await_answers(PROTOBUF, 1);
    }
    // The last errors arrive.
    await_scrapes(&programs, 2);

    let total = recorded.values().sum::<u64>() as f64;
    for (prometheus, is_protobuf) in [(&protobuf, true), (&open_metrics, false)] {
        for name in names(is_protobuf) {
            let mut counted = 0.0;
            for (kind, samples) in stored(prometheus, name) {
                let (counts, recorded) = (increase(&samples), recorded[&kind] as f64);
                assert!(counts <= recorded, "{name} {kind}: {counts} of {recorded}: {samples:?}");
                counted += counts;
            }
            let without = stored(&unaware, names(true)[0]);
            let without: f64 = without.values().map(|samples| increase(samples)).sum();
            println!("{name}: {counted} of {total}, without start times {without}");
            // Those of a series that returns soon after it was hidden can be lost.
            assert!(counted >= 0.9 * total, "{name}: {counted} of {total}");
            assert!(without < counted, "{name}: {counted}, without start times {without}");
        }
    }
}

/// The number in this environment variable, which `.ci/weekly` sets.
fn setting(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

fn start(address: SocketAddr) -> Counted {
    Counted::start(address, IDLE_TIMEOUT)
}

/// A kind of errors.
#[derive(Default)]
struct Kind {
    /// How many steps it still has errors (positive) or none (negative).
    left: i32,
}

impl Kind {
    /// How many errors there are in a step.
    fn step(&mut self, rng: &mut Rng) -> Option<u64> {
        if self.left == 0 {
            // Half of the pauses are longer than the idle timeout.
            self.left = if rng.bool() { rng.i32(1..4) } else { -rng.i32(1..25) };
        }
        let has_errors = self.left > 0;
        self.left -= self.left.signum();
        has_errors.then(|| rng.u64(1..6))
    }
}

/// The shortest that is allowed: five scrapes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);
const SEED: u64 = 13;
const KINDS: usize = 16;
/// About twenty seconds.
const STEPS: u64 = 100;
const PROTOBUF: &str = "application/vnd.google.protobuf";
const OPEN_METRICS: &str = "application/openmetrics-text";
