//! Filters of the whole subscriber: what they hide is listed, and `fmt().finish()` has one.
//!
//! Which callsites and levels are enabled is the process's state: one test at a time.

mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};
use support::{Metrics, both};
use tracing::subscriber::with_default;
use tracing::{Level, info_span};
use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::Identity;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

// F-23
#[test]
fn it_can_be_added_to_a_finished_fmt_subscriber() {
    let _alone = alone();
    let metrics = Metrics::new();
    let fmt = || tracing_subscriber::fmt().with_writer(std::io::sink);
    let spans = || (0..3).for_each(|_| drop(info_span!("job")));
    with_default(fmt().finish().with(job_layer(&metrics)), spans);
    assert_eq!(metrics.count("closed_total"), 3);
    // F-23, a neighbour: with a layer between, in an option, and with a filter of its own.
    with_default(
        fmt().compact().finish().with(Identity::new()).with(Some(job_layer(&metrics))),
        spans,
    );
    assert_eq!(metrics.count("closed_total"), 6);
    let quiet = fmt().with_max_level(Level::WARN).finish().with(job_layer(&metrics).boxed());
    with_default(quiet, spans);
    assert_eq!(metrics.count("closed_total"), 6, "a global filter");
    // Nothing of it is left for the next subscriber of this thread.
    with_default(registry().with(job_layer(&metrics)), || {
        assert!(info_span!("after").is_disabled());
        spans();
    });
    assert_eq!(metrics.count("closed_total"), 9);
}

// F-23b
#[test]
fn what_a_global_filter_hides_is_listed() {
    let _alone = alone();
    let metrics = Metrics::new();
    let rules = [both("job"), Rule::events().with_target("filters").with_counter("events_total")];
    let layer = metrics.layer(rules);
    let coverage = layer.coverage();
    let filter = EnvFilter::new("error");
    with_default(registry().with(filter).with(layer), || {
        drop(info_span!("job"));
        tracing::info!("an event");
        let rules = ["rule 1, span \"job\"", "rule 2, events of target \"filters\""];
        assert_eq!(coverage.unmatched(), rules);
        let hidden = coverage.hidden();
        assert!(hidden[0].starts_with("rule 1, span \"job\": INFO span \"job\" at "), "{hidden:?}");
        assert!(
            hidden.iter().any(|line| {
                line.starts_with("rule 2, events of target \"filters\": INFO event at ")
            }),
            "{hidden:?}"
        );
        assert!(hidden.iter().all(|line| line.contains("tests/filters.rs:")), "{hidden:?}");
        // What it lets through is not listed.
        tracing::error!("an event");
        assert_eq!(coverage.unmatched(), rules[..1]);
        assert!(!coverage.hidden().iter().any(|line| line.contains("ERROR")));
    });
    assert_eq!(metrics.count("events_total"), 1);
}

// F-23b, a neighbour: the filter outside.
#[test]
fn a_rule_whose_spans_are_refused_before_the_layer_is_asked_is_unmatched() {
    let _alone = alone();
    let metrics = Metrics::new();
    let layer = job_layer(&metrics);
    let coverage = layer.coverage();
    with_default(registry().with(layer).with(EnvFilter::new("error")), || {
        drop(info_span!("job"));
        assert_eq!(coverage.unmatched(), ["rule 1, span \"job\""]);
    });
}

fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn job_layer(metrics: &Metrics) -> SpanMetricsLayer {
    metrics.layer([both("job")])
}
