//! In-flight gauges.

mod support;

use support::{Metrics, panic_now, panics, series};
use tracing::field::Empty;
use tracing::info_span;
use tracing_asdlc_metrics::{Outcome, Rule, SpanDuration};

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

/// The layer keeps less of a span of the second rule than of the first. A span that closes leaves its place to the next one.
//
#[test]
fn a_span_that_follows_a_span_of_another_rule_takes_over_nothing_of_it() {
    let metrics = Metrics::new();
    let rules = [
        Rule::span("job")
            .with_counter("ended_jobs_total")
            .with_in_flight("jobs")
            .with_duration("job_busy_seconds")
            .with_span_duration(SpanDuration::Busy)
            .with_outcome(Outcome::label("outcome")),
        Rule::span("query").with_counter("queries_total").with_label("kind"),
    ];
    metrics.with(rules, || {
        for _ in 0..3 {
            panics(|| {
                let _job = info_span!("job").entered();
                panic_now();
            });
            drop(info_span!("query", kind = "a").entered());
            drop(info_span!("query"));
            // Never entered, and nobody has reported how it ended.
            let job = info_span!("job");
            assert_eq!(metrics.values("jobs"), series([("", 1)]));
            let query = info_span!("query", kind = "b").entered();
            drop((job, query));
            assert_eq!(metrics.values("jobs"), series([("", 0)]));
        }
    });
    let jobs = metrics.values("jobs");
    assert_eq!(jobs, series([("", 0)]));
    let by_outcome = metrics.values("ended_jobs");
    assert_eq!((by_outcome["outcome=panicked"], by_outcome["outcome=unknown"]), (3.0, 3.0));
    assert_eq!(metrics.sums("job_busy")["outcome=unknown"], 0.0);
    assert_eq!(metrics.values("queries"), series([("", 3), ("kind=a", 3), ("kind=b", 3)]));
}

// Trap 6, X-03
#[test]
fn past_the_series_limit_the_gauge_returns_to_0() {
    let metrics = Metrics::new();
    let rule = Rule::span("job").with_in_flight("jobs").with_label("kind").with_max_series(8);
    metrics.with([rule], || {
        let open: Vec<_> = (0..20).map(|kind| info_span!("job", kind)).collect();
        assert_eq!(metrics.values("jobs")["kind=other,otel.metric.overflow=true"], 13.0);
        drop(open);
    });
    let left = metrics.values("jobs");
    assert!(left.len() == 8 && left.values().all(|jobs| *jobs == 0.0), "{left:?}");
}

// Trap 13
#[test]
fn a_child_dropped_outside_its_dispatcher_leaves_nothing_in_flight() {
    let metrics = Metrics::new();
    let rules = ["parent", "child"]
        .map(|span| Rule::span(span).with_counter("total").with_in_flight("open"));
    let (parent, child) = metrics.with(rules, || {
        let parent = info_span!("parent");
        let child = info_span!(parent: &parent, "child");
        (parent, child)
    });
    assert_eq!(metrics.values("open"), series([("", 2)]));
    // Here no subscriber is the default. The registry asks the default subscriber to close the parent, so the parent never closes.
    drop(parent);
    drop(child);
    // The child is recorded at its close. The parent leaves the gauge when the subscriber is dropped: no handle keeps it alive.
    assert_eq!(metrics.values("total"), series([("", 1)]));
    assert_eq!(metrics.values("open"), series([("", 0)]));
}
