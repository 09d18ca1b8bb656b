//! `Coverage` lists the rules that have matched nothing, and what a global filter hides. `fmt().finish()` has a global filter.
//!
//! The enabled callsites and levels are global to the process, so one test runs at a time.

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

// Trap 14
#[test]
fn rules_that_have_matched_nothing_are_listed() {
    let _alone = alone();
    let metrics = Metrics::new();
    let misspelt = Rule::span("jbo").with_counter("jobs_total");
    let event = Rule::event("e").with_counter("e_total");
    let layer = metrics.layer([both("job"), misspelt, event, Rule::prefixed_fields()]);
    let coverage = layer.coverage();
    assert_eq!(coverage.unmatched().len(), 4);
    let subscriber = registry().with(layer);
    with_default(subscriber, || {
        drop(tracing::info_span!("job"));
        drop(tracing::debug_span!("jbo"));
        tracing::info!(gauge_without_prefix = 1);
    });
    assert_eq!(
        coverage.unmatched(),
        ["rule 2, span \"jbo\"", "rule 3, event \"e\"", "rule 4, prefixed fields"]
    );
}

// F-23
#[test]
fn the_layer_can_be_added_to_a_finished_fmt_subscriber() {
    let _alone = alone();
    let metrics = Metrics::new();
    let fmt = || tracing_subscriber::fmt().with_writer(std::io::sink);
    let spans = || (0..3).for_each(|_| drop(info_span!("job")));
    with_default(fmt().finish().with(job_layer(&metrics)), spans);
    assert_eq!(metrics.count("closed"), 3);
    // F-23, a neighbour: with another layer in between, in an `Option`, and with a level of its own.
    with_default(
        fmt().compact().finish().with(Identity::new()).with(Some(job_layer(&metrics))),
        spans,
    );
    assert_eq!(metrics.count("closed"), 6);
    let quiet = fmt().with_max_level(Level::WARN).finish().with(job_layer(&metrics).boxed());
    with_default(quiet, spans);
    assert_eq!(metrics.count("closed"), 6, "a global filter");
    // The next subscriber of this thread is not affected.
    with_default(registry().with(job_layer(&metrics)), || {
        assert!(info_span!("after").is_disabled());
        spans();
    });
    assert_eq!(metrics.count("closed"), 9);
}

// F-23b
#[test]
fn spans_and_events_that_a_global_filter_hides_are_listed() {
    let _alone = alone();
    let metrics = Metrics::new();
    let rules = [both("job"), Rule::events().with_target("coverage").with_counter("events_total")];
    let layer = metrics.layer(rules);
    let coverage = layer.coverage();
    let filter = EnvFilter::new("error");
    with_default(registry().with(filter).with(layer), || {
        drop(info_span!("job"));
        tracing::info!("an event");
        let rules = ["rule 1, span \"job\"", "rule 2, events of target \"coverage\""];
        assert_eq!(coverage.unmatched(), rules);
        let hidden = coverage.hidden();
        assert!(hidden[0].starts_with("rule 1, span \"job\": INFO span \"job\" at "), "{hidden:?}");
        assert!(
            hidden.iter().any(|line| {
                line.starts_with("rule 2, events of target \"coverage\": INFO event at ")
            }),
            "{hidden:?}"
        );
        assert!(hidden.iter().all(|line| line.contains("tests/coverage.rs:")), "{hidden:?}");
        // An event that the filter accepts is not listed.
        tracing::error!("an event");
        assert_eq!(coverage.unmatched(), rules[..1]);
        assert!(!coverage.hidden().iter().any(|line| line.contains("ERROR")));
    });
    assert_eq!(metrics.count("events"), 1);
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
