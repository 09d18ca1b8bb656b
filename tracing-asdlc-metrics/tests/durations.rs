//! The durations of spans: until close, until the last exit, and busy.

mod support;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};
use support::Metrics;
use tracing::info_span;
use tracing::subscriber::with_default;
use tracing_asdlc_metrics::{Rule, SpanDuration};
use tracing_subscriber::layer::{Identity, SubscriberExt};

// Trap 4
#[test]
fn a_detached_child_counts_in_the_duration_until_close_only() {
    let metrics = Metrics::new();
    let rules = [
        Rule::span("parent").with_duration("close"),
        Rule::span("parent")
            .with_duration("last_exit")
            .with_span_duration(SpanDuration::UntilLastExit),
        Rule::span("parent").with_duration("busy").with_span_duration(SpanDuration::Busy),
    ];
    with_default(metrics.subscriber(rules).with(Identity::new()), || {
        let started = Instant::now();
        let parent = info_span!("parent");
        spin(5);
        parent.in_scope(|| spin(5));
        spin(5);
        let last = parent.enter();
        let child = info_span!("detached");
        spin(5);
        drop(last);
        let exited = started.elapsed().as_secs_f64();
        drop(parent);
        let alone = spin(20).as_secs_f64();
        assert!(!metrics.has("close"), "the child keeps the parent open");
        drop(child);
        let closed = started.elapsed().as_secs_f64();
        let sum = |name: &str| metrics.sums(name)[""];
        assert!((exited + alone - 0.001..=closed).contains(&sum("close")), "{}", sum("close"));
        assert!((0.020..=exited).contains(&sum("last_exit")), "{} {exited}", sum("last_exit"));
        assert!((0.010..=exited - 0.010).contains(&sum("busy")), "{} {exited}", sum("busy"));
    });
}

#[test]
fn a_span_that_was_never_entered_is_measured_until_its_close_and_is_never_busy() {
    let metrics = Metrics::new();
    let rules = [
        Rule::span("job")
            .with_duration("last_exit")
            .with_span_duration(SpanDuration::UntilLastExit),
        Rule::span("job").with_duration("busy").with_span_duration(SpanDuration::Busy),
    ];
    metrics.with(rules, || {
        let span = info_span!("job");
        spin(2);
        drop(span);
    });
    assert!(metrics.sums("last_exit")[""] >= 0.002);
    assert_eq!(metrics.sums("busy")[""], 0.0);
}

// Trap 3
#[test]
fn the_busy_time_of_several_threads_in_one_span_counts_once() {
    let metrics = Metrics::new();
    let rule = Rule::span("job").with_duration("busy").with_span_duration(SpanDuration::Busy);
    metrics.with([rule], || {
        let around = Instant::now();
        let span = info_span!("job");
        let barrier = Barrier::new(4);
        let mut least = Duration::ZERO;
        thread::scope(|scope| {
            let (span, barrier) = (&span, &barrier);
            let run = move || {
                let _entered = span.clone().entered();
                barrier.wait();
                let within = spin(10);
                barrier.wait();
                within
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            for thread in threads {
                least = least.max(thread.join().unwrap());
            }
        });
        // Many short entries, which overlap by chance.
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| span.in_scope(|| ())));
            }
        });
        drop(span);
        let busy = metrics.sums("busy")[""];
        let around = around.elapsed().as_secs_f64();
        assert!((least.as_secs_f64()..=around).contains(&busy), "{busy} s of {around} s");
        assert_eq!(metrics.count("busy"), 1);
    });
}

#[test]
fn a_duration_is_recorded_in_the_rules_unit() {
    let metrics = Metrics::new();
    let rules = [("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)];
    let all = rules.map(|(unit, per_second)| {
        Rule::span("job").with_duration(unit).with_unit(unit).with_boundaries([per_second])
    });
    metrics.with(all, || {
        let span = info_span!("job");
        spin(3);
        drop(span);
    });
    let seconds = metrics.sums("s")[""];
    assert!(seconds >= 0.003);
    for (unit, per_second) in rules {
        let ratio = metrics.sums(unit)[""] / (seconds * per_second);
        assert!((ratio - 1.0).abs() < 1e-9, "{unit}: {ratio}");
        assert_eq!(metrics.read(unit, |metric| metric.unit().to_owned()), unit);
    }
}

/// Keeps the processor busy for at least this time, and returns how long it was.
fn spin(milliseconds: u64) -> Duration {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(milliseconds) {
        std::hint::spin_loop();
    }
    start.elapsed()
}
