//! The events of `#[instrument(err)]` and `#[instrument(ret)]` are read at every level, independent of what other layers log.
//!
//! The enabled callsites and levels are global to the process, so one test runs at a time.

mod support;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use support::Metrics;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::with_default;
use tracing::{Level, Subscriber, instrument};
use tracing_asdlc_metrics::{Outcome, Rule};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, fmt as log, registry};

type Fails = Result<(), fmt::Error>;

#[instrument(name = "job", err(level = "debug"))]
fn debug() -> Fails {
    Err(fmt::Error)
}

#[instrument(name = "job", err(level = "trace"))]
fn trace() -> Fails {
    Err(fmt::Error)
}

#[instrument(name = "job", ret(level = "trace"))]
fn returns(result: Fails) -> Fails {
    result
}

// F-20
#[test]
fn an_error_at_debug_fails_its_span_while_the_log_is_at_info() {
    let _alone = alone();
    for level in [LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::OFF] {
        let metrics = Metrics::new();
        with_default(
            registry().with(metrics.layer([rule()])).with(silent().with_filter(level)),
            || {
                (0..4).for_each(|_| assert!(debug().is_err()));
            },
        );
        assert_eq!(counted(&metrics), ["failed=4"], "log at {level}");
    }
}

// F-20, a neighbour: another level, another filter, no other layer, and the log's layer outside.
#[test]
fn an_error_at_trace_fails_its_span_beside_an_env_filter_and_alone() {
    let _alone = alone();
    let filter = || EnvFilter::new("warn,instrument_levels=error");
    let metrics = Metrics::new();
    with_default(
        registry().with(silent().with_filter(filter())).with(metrics.layer([rule()])),
        || {
            assert!(trace().is_err());
        },
    );
    with_default(registry().with(metrics.layer([rule()])), || assert!(trace().is_err()));
    let layers = vec![metrics.layer([rule()]).boxed(), silent().with_filter(filter()).boxed()];
    with_default(registry().with(layers), || assert!(trace().is_err()));
    assert_eq!(counted(&metrics), ["failed=3"]);
}

// F-20, a neighbour: `ret`.
#[test]
fn a_returned_value_is_read_at_every_level() {
    let _alone = alone();
    let metrics = Metrics::new();
    let log = silent().with_filter(LevelFilter::INFO);
    with_default(registry().with(metrics.layer([rule()])).with(log), || {
        assert!(returns(Ok(())).is_ok());
        assert!(returns(Err(fmt::Error)).is_err());
        assert!(returns(Err(fmt::Error)).is_err());
    });
    assert_eq!(counted(&metrics), ["failed=2", "success=1"]);
}

// F-20, a neighbour: an event that a global filter hides does not prove a success.
#[test]
fn an_error_that_a_global_filter_hides_leaves_the_outcome_unknown() {
    let _alone = alone();
    let metrics = Metrics::new();
    with_default(registry().with(LevelFilter::INFO).with(metrics.layer([rule()])), || {
        assert!(debug().is_err());
        assert!(returns(Ok(())).is_ok());
    });
    assert_eq!(counted(&metrics), ["unknown=2"]);
}

// Trap 2
#[test]
fn only_an_outcome_raises_the_level_for_these_events_up_to_its_maximum() {
    let _alone = alone();
    let metrics = Metrics::new();
    let counter = || Rule::span("job").with_counter("jobs_total");
    let outcome = |level| Outcome::label("outcome").with_max_level(level);
    for (rule, level) in [
        (counter(), LevelFilter::INFO),
        (rule(), LevelFilter::TRACE),
        (counter().with_outcome(outcome(Level::DEBUG)), LevelFilter::DEBUG),
        (counter().with_outcome(outcome(Level::ERROR)), LevelFilter::INFO),
    ] {
        let layer = metrics.layer([rule]);
        with_default(registry().with(layer), || assert_eq!(LevelFilter::current(), level));
    }
    let layer = metrics.layer([counter().with_outcome(outcome(Level::DEBUG))]);
    with_default(registry().with(layer), || {
        assert!(debug().is_err());
        assert!(trace().is_err());
    });
    assert_eq!(counted(&metrics), ["failed=1", "unknown=1"]);
}

//
#[test]
fn only_such_events_with_the_target_of_the_rule_are_enabled() {
    let _alone = alone();
    let metrics = Metrics::new();
    with_default(registry().with(metrics.layer([rule().with_target("instrument_levels")])), || {
        assert!(tracing::event_enabled!(Level::TRACE, error));
        assert!(tracing::event_enabled!(target: "instrument_levels::inner", Level::TRACE, error));
        assert!(!tracing::event_enabled!(target: "elsewhere", Level::ERROR, error));
        assert!(!tracing::event_enabled!(Level::TRACE, error, message));
        assert!(!tracing::event_enabled!(Level::ERROR, message));
        assert!(tracing::trace_span!("job", error = 1).is_disabled());
    });
}

fn rule() -> Rule {
    Rule::span("job").with_counter("jobs_total").with_outcome(Outcome::label("outcome"))
}

/// A log that discards everything.
fn silent<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> + Send + Sync {
    log::layer().with_writer(std::io::sink)
}

/// Returns for example `failed=4`, without the outcomes that have 0.
fn counted(metrics: &Metrics) -> Vec<String> {
    let values = metrics.values("jobs").into_iter().filter(|(_, value)| *value > 0.0);
    values.map(|(labels, value)| format!("{}={value}", &labels["outcome=".len()..])).collect()
}

fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}
