//! Five errors between two scrapes are an increase of five for a Prometheus that reads start times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use asdlc_tests::servers::{Generation, Prometheus, PrometheusBuilder, QueryApi, free_address};
use asdlc_tests::wait::{DEADLINE, eventually};

use super::counted::{Counted, increase, names, stored};

//
#[test]
fn five_errors_of_a_new_series_or_an_idle_one_or_after_a_restart_are_an_increase_of_five() {
    let new = Prometheus::builder(Generation::New).with_native_histograms().with_start_times();
    let mut case = Case::start([
        (new.clone().with_protocols(&["PrometheusProto"]), true),
        (new.with_protocols(&["OpenMetricsText1.0.0"]), false),
    ]);
    let since = case.record();
    case.assert_increase(since, 5.0);

    // It is hidden, and so long that the collection that will be its next start is one without it.
    let absent = "absent_over_time(errors_total[4s])";
    for (prometheus, _) in &case.servers {
        assert_eq!(prometheus.query_until(absent, 1.0), Some(1.0), "it is not hidden");
    }
    let since = case.record();
    case.assert_increase(since, 5.0);

    // The new process has the value that the old one had, so without a start it would be no increase.
    let address = case.program.served.address();
    drop(case.program);
    case.program = Counted::start(address, IDLE_TIMEOUT);
    let since = case.record();
    case.assert_increase(since, 5.0);
}

//
#[test]
fn without_start_times_five_errors_of_a_new_series_are_no_increase() {
    let [stable, new] = Generation::ALL.map(|it| Prometheus::builder(it).with_native_histograms());
    let case = Case::start([(stable, true), (new.with_protocols(&["PrometheusProto"]), true)]);
    let since = case.record();
    case.assert_increase(since, 0.0);
}

/// A program, and the servers that scrape it. Some of them do so in protobuf.
struct Case {
    program: Counted,
    servers: [(Prometheus, bool); 2],
}

impl Case {
    fn start(builders: [(PrometheusBuilder, bool); 2]) -> Self {
        let program = Counted::start(free_address(), IDLE_TIMEOUT);
        let servers = builders.map(|(builder, is_protobuf)| {
            let builder = builder.with_interval(Duration::from_millis(200));
            (builder.scraping(program.served.address()), is_protobuf)
        });
        // Scrapes without the series.
        for (prometheus, _) in &servers {
            let scraped = prometheus.query_until("count_over_time(up[1m]) >= bool 15", 1.0);
            assert_eq!(scraped, Some(1.0), "it does not scrape");
        }
        Self { program, servers }
    }

    /// Records five errors between two scrapes. Returns the time in seconds.
    fn record(&self) -> f64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        self.program.record("refused", 5);
        now.as_secs_f64()
    }

    /// Waits for enough samples after the errors, and checks what they show, and what `increase` of `PromQL` says.
    #[track_caller]
    fn assert_increase(&self, since: f64, expected: f64) {
        for (prometheus, is_protobuf) in &self.servers {
            for name in names(*is_protobuf) {
                assert_increase(prometheus, name, since, expected);
            }
        }
    }
}

#[track_caller]
fn assert_increase(prometheus: &Prometheus, name: &str, since: f64, expected: f64) {
    // So many samples that it matters little how `increase` extrapolates to the ends of its window.
    let mut samples = Vec::new();
    let enough = eventually(DEADLINE, || {
        samples = stored(prometheus, name).remove("refused").unwrap_or_default();
        samples.iter().filter(|(time, _)| *time > since).count() >= 12
    });
    assert!(enough, "{name} has {samples:?} since {since}");
    // The start is one to two seconds before the first scrape with the errors, and at a scrape.
    let from = since - 2.6;
    samples.retain(|(time, _)| *time > from);
    assert_eq!(increase(&samples), expected, "{name}: {samples:?}");

    let until = samples.last().expect("there are samples").0;
    let window = ((until - from) * 1e3) as u64;
    let selector = format!("{name}{{kind=\"refused\",le=~\"[+]Inf|\"}}[{window}ms]");
    let mut query = format!("increase({selector} @ {until:.3})");
    if name == "native_wait_seconds" {
        query = format!("histogram_count({query})");
    }
    let found = prometheus.query(&query);
    let allowed = 0.9 * expected..=1.1 * expected;
    assert!(found.is_some_and(|it| allowed.contains(&it)), "{query}: {found:?} {samples:?}");
}

/// Longer than the samples of [`assert_increase`] take.
const IDLE_TIMEOUT: Duration = Duration::from_secs(6);
