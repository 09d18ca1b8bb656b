//! In-flight gauges and the choice of clock.

mod support;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};
use support::{Metrics, panic_now, panics, series};
use tracing::field::Empty;
use tracing::info_span;
use tracing::subscriber::with_default;
use tracing_asdlc_metrics::{Rule, SpanDuration};
use tracing_subscriber::layer::{Identity, SubscriberExt};

// Trap 6, W-04
#[test]
fn a_span_leaves_the_series_in_which_it_was_counted() {
    let metrics = Metrics::new();
    let rule = Rule::span("job").with_in_flight("jobs").with_label("kind");
    metrics.with([rule], || {
        let span = info_span!("job", kind = "a");
        let late = info_span!("job", kind = Empty);
        assert_eq!(metrics.values("jobs"), series([("", 1), ("kind=a", 1)]));
        span.record("kind", "b");
        late.record("kind", "a");
        assert_eq!(metrics.values("jobs"), series([("", 1), ("kind=a", 1)]));
        drop(span);
        assert_eq!(metrics.values("jobs"), series([("", 1), ("kind=a", 0)]));
        drop(late);
        assert_eq!(metrics.values("jobs"), series([("", 0), ("kind=a", 0)]));
    });
}

// Trap 6, X-01
#[test]
fn the_gauge_returns_to_0_after_a_panic_and_when_a_future_is_dropped() {
    let metrics = Metrics::new();
    let rules = [
        Rule::span("job").with_in_flight("jobs"),
        Rule::span("job").with_in_flight("jobs_by_kind").with_label("kind"),
    ];
    metrics.with(rules, || {
        panics(|| {
            let _job = info_span!("job", kind = 1).entered();
            assert_eq!(metrics.values("jobs"), series([("", 1)]));
            panic_now();
        });
        let future = tracing::Instrument::instrument(
            std::future::pending::<()>(),
            info_span!("job", kind = 1),
        );
        assert_eq!(metrics.values("jobs_by_kind"), series([("kind=1", 1)]));
        drop(future);
    });
    assert_eq!(metrics.values("jobs"), series([("", 0)]));
    assert_eq!(metrics.values("jobs_by_kind"), series([("kind=1", 0)]));
}

// Trap 6, X-03
#[test]
fn past_the_cap_the_gauge_returns_to_0_as_well() {
    let metrics = Metrics::new();
    let rule = Rule::span("job").with_in_flight("jobs").with_label("kind").with_max_series(8);
    metrics.with([rule], || {
        let open: Vec<_> = (0..20).map(|kind| info_span!("job", kind)).collect();
        assert_eq!(metrics.values("jobs")["kind=other"], 13.0);
        drop(open);
    });
    let left = metrics.values("jobs");
    assert!(left.len() == 8 && left.values().all(|jobs| *jobs == 0.0), "{left:?}");
}

// Trap 4
#[test]
fn a_detached_child_lengthens_its_parent_only_for_the_clock_that_waits_for_it() {
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
        assert!(!metrics.has("close"), "the child keeps it open");
        drop(child);
        let closed = started.elapsed().as_secs_f64();
        let sum = |name: &str| metrics.sums(name)[""];
        assert!((exited + alone - 0.001..=closed).contains(&sum("close")), "{}", sum("close"));
        assert!((0.020..=exited).contains(&sum("last_exit")), "{} {exited}", sum("last_exit"));
        assert!((0.010..=exited - 0.010).contains(&sum("busy")), "{} {exited}", sum("busy"));
    });
}

#[test]
fn a_span_that_was_never_entered_is_timed_to_its_close_and_never_busy() {
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
fn threads_in_one_span_at_once_are_busy_once() {
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
        // Again and again, without a meeting.
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

// Trap 13
#[test]
fn a_child_dropped_outside_its_dispatcher_leaves_nothing_behind() {
    let metrics = Metrics::new();
    let rules = ["parent", "child"]
        .map(|span| Rule::span(span).with_counter("total").with_in_flight("open"));
    let (parent, child) = metrics.with(rules, || {
        let parent = info_span!("parent");
        let child = info_span!(parent: &parent, "child");
        (parent, child)
    });
    assert_eq!(metrics.values("open"), series([("", 2)]));
    // Here no subscriber is the default: the registry asks the default one to give the parent back, and is not heard.
    drop(parent);
    drop(child);
    // The child is recorded at its close, and the parent leaves with the subscriber, which nothing keeps alive any more.
    assert_eq!(metrics.values("total"), series([("", 1)]));
    assert_eq!(metrics.values("open"), series([("", 0)]));
}

/// Keeps the processor busy for at least so many milliseconds, and tells how long it was.
fn spin(milliseconds: u64) -> Duration {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(milliseconds) {
        std::hint::spin_loop();
    }
    start.elapsed()
}
