//! The layer among other layers: what it enables, what it must not disable, and what it counts although others refuse it.
//!
//! The enabled callsites and levels are global to the process, so one test runs at a time.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use support::{Metrics, both, series};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::subscriber::with_default;
use tracing::{Level, Metadata, Subscriber, debug_span, enabled, info_span, warn_span};
use tracing_asdlc_metrics::{Outcome, Rule, SpanMetricsLayer};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, Filtered, filter_fn};
use tracing_subscriber::layer::{Context, Identity};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;
use tracing_subscriber::registry::LookupSpan;

//
#[test]
fn without_other_layers_unmatched_spans_and_all_events_stay_disabled() {
    let _alone = alone();
    let metrics = Metrics::new();
    with_default(registry().with(job_layer(&metrics)), || {
        assert!(!info_span!("job").is_disabled());
        assert!(info_span!("other").is_disabled());
        assert!(warn_span!("other").is_disabled());
        assert!(!enabled!(Level::ERROR), "an event");
        assert!(!tracing::event_enabled!(Level::ERROR));
    });
    assert_eq!(metrics.count("closed"), 1);
}

//
#[test]
fn an_outcome_enables_the_events_of_instrumented_errors_and_no_others() {
    let _alone = alone();
    let metrics = Metrics::new();
    let rule = both("job").with_outcome(Outcome::label("outcome"));
    with_default(registry().with(metrics.layer([rule])), || {
        assert!(tracing::event_enabled!(Level::ERROR, error));
        assert!(!tracing::event_enabled!(Level::ERROR, error, message));
        assert!(!tracing::event_enabled!(Level::ERROR));
        assert!(info_span!("other", error = 1).is_disabled());
    });
}

#[test]
fn without_other_layers_only_the_events_of_rules_are_enabled() {
    let _alone = alone();
    let metrics = Metrics::new();
    let rule = Rule::events().with_target("subscriber").with_sum("bytes_total", "bytes");
    metrics.with([rule], || {
        assert!(tracing::event_enabled!(target: "subscriber", Level::INFO, bytes));
        assert!(!tracing::event_enabled!(target: "subscriber", Level::ERROR, other));
        assert!(!tracing::event_enabled!(target: "subscribers", Level::INFO, bytes));
        assert!(!tracing::event_enabled!(target: "subscriber", Level::DEBUG, bytes));
        tracing::info!(bytes = 3);
        tracing::debug!(bytes = 3);
    });
    assert_eq!(metrics.values("bytes"), series([("", 3)]));
}

#[test]
fn prefixed_fields_are_an_opt_in() {
    let _alone = alone();
    let metrics = Metrics::new();
    let rule = Rule::prefixed_fields().with_target("elsewhere");
    metrics.with([rule, Rule::span("job").with_counter("jobs_total")], || {
        assert!(!tracing::event_enabled!(Level::INFO, monotonic_counter.orders));
        tracing::info!(monotonic_counter.orders = 1);
    });
    assert!(!metrics.has("orders"));
}

#[test]
fn with_another_filtered_layer_only_what_either_wants_is_enabled() {
    let _alone = alone();
    let metrics = Metrics::new();
    let seen = Seen::default();
    let subscriber =
        registry().with(job_layer(&metrics)).with(seen.clone().with_filter(LevelFilter::WARN));
    with_default(subscriber, || {
        assert!(info_span!("other").is_disabled());
        assert!(!warn_span!("other").is_disabled());
        assert!(!info_span!("job").is_disabled());
        assert!(!enabled!(Level::INFO));
        assert!(enabled!(Level::WARN));
    });
    assert_eq!(metrics.count("closed"), 1);
    assert_eq!(seen.spans(), 1);
}

#[test]
fn nothing_is_hidden_from_another_layer() {
    let _alone = alone();
    let metrics = Metrics::new();
    let (inner, outer) = (Seen::default(), Seen::default());
    let subscriber = registry().with(inner.clone()).with(job_layer(&metrics)).with(outer.clone());
    with_default(subscriber, || {
        for _ in 0..3 {
            drop(info_span!("job"));
            drop(debug_span!("other"));
            tracing::trace!("event");
        }
    });
    for seen in [&inner, &outer] {
        assert_eq!(seen.spans(), 6);
        assert_eq!(seen.events(), 3);
    }
    assert_eq!(metrics.count("closed"), 3);
}

// Trap 1
#[test]
fn after_a_refusal_of_another_layer_the_next_matched_spans_are_all_counted() {
    let _alone = alone();
    let metrics = Metrics::new();
    let layer = || job_layer(&metrics);
    let picky: FilterFn = filter_fn(|metadata| metadata.name() != "refused");
    let stacks: [Boxed; 3] = [
        Box::new(registry().with(Refuses("refused")).with(Identity::new()).with(layer())),
        Box::new(registry().with(Refuses("refused").and_then(layer()))),
        Box::new(registry().with(layer()).with(Identity::new().with_filter(picky))),
    ];
    let mut counted = 0;
    for stack in stacks {
        with_default(stack, || {
            for _ in 0..5 {
                // Each asks the filters, and no span follows that would clear their answers.
                drop(info_span!("refused"));
                let _ = enabled!(Level::DEBUG);
                tracing::debug!("an event that no layer records");
                drop(info_span!("job"));
                counted += 1;
                assert_eq!(metrics.count("closed"), counted);
            }
        });
    }
}

// Trap 1
#[test]
fn a_span_that_the_filter_of_another_layer_refuses_is_counted() {
    let _alone = alone();
    let metrics = Metrics::new();
    let seen = Seen::default();
    let off: FilterFn = filter_fn(|_| false);
    let subscriber = registry()
        .with(seen.clone().with_filter(LevelFilter::OFF))
        .with(job_layer(&metrics))
        .with(seen.clone().with_filter(off));
    with_default(subscriber, || {
        (0..3).for_each(|_| drop(info_span!("job")));
    });
    assert_eq!(metrics.count("closed"), 3);
    assert_eq!(seen.spans(), 0);
}

// Trap 1
#[test]
fn a_global_filter_takes_precedence_at_any_position() {
    let _alone = alone();
    let metrics = Metrics::new();
    let spans = || {
        drop(info_span!("job"));
        drop(warn_span!("job"));
    };
    let inside = registry().with(LevelFilter::WARN).with(job_layer(&metrics));
    with_default(inside, spans);
    assert_eq!(metrics.count("closed"), 1);
    let outside = registry().with(job_layer(&metrics)).with(LevelFilter::WARN);
    with_default(outside, spans);
    assert_eq!(metrics.count("closed"), 2);
    let asked = registry().with(job_layer(&metrics)).with(Refuses("job"));
    with_default(asked, spans);
    assert_eq!(metrics.count("closed"), 2);
}

// Trap 2
#[test]
fn the_level_rises_to_that_of_the_rules_and_no_further() {
    let _alone = alone();
    let metrics = Metrics::new();
    let layer = || job_layer(&metrics);
    let debug = || metrics.layer([both("job").with_max_level(Level::DEBUG)]);
    let level = |subscriber| with_default::<_, Boxed>(subscriber, LevelFilter::current);

    assert_eq!(level(Box::new(registry().with(layer()))), LevelFilter::INFO);
    assert_eq!(level(Box::new(registry().with(debug()))), LevelFilter::DEBUG);
    let no_rules = metrics.layer([]);
    assert_eq!(level(Box::new(registry().with(no_rules))), LevelFilter::OFF);
    assert_eq!(level(Box::new(registry().with(errors()).with(layer()))), LevelFilter::INFO);
    assert_eq!(level(Box::new(registry().with(layer()).with(errors()))), LevelFilter::INFO);
    assert_eq!(
        level(Box::new(registry().with(layer()).with(Identity::new()))),
        LevelFilter::TRACE,
        "a layer without a filter wants every level"
    );
    assert_eq!(level(Box::new(registry().with(Identity::new()).with(layer()))), LevelFilter::TRACE);
}

// Trap 2
#[test]
fn the_layer_works_inside_option_box_and_vec_and_with_a_filter() {
    let _alone = alone();
    let metrics = Metrics::new();
    let layer = || job_layer(&metrics);
    let mut counted = 0;
    let mut check = |subscriber: Boxed, disabled: bool| {
        with_default(subscriber, || {
            assert_eq!(info_span!("other").is_disabled(), disabled);
            assert_eq!(LevelFilter::current(), LevelFilter::INFO);
            (0..3).for_each(|_| drop(info_span!("job")));
        });
        counted += 3;
        assert_eq!(metrics.count("closed"), counted);
        assert_eq!(metrics.count("open"), counted);
    };
    check(Box::new(registry().with(Some(layer()))), true);
    check(Box::new(registry().with(layer().boxed())), true);
    check(Box::new(registry().with(vec![layer()])), true);
    check(Box::new(registry().with(vec![errors().boxed(), layer().boxed()])), true);
    check(Box::new(registry().with(errors().and_then(layer()))), true);
    // A filter around the layer enables more than the layer wants.
    check(Box::new(registry().with(layer().with_filter(LevelFilter::INFO))), false);

    let refused = registry().with(layer().with_filter(LevelFilter::WARN));
    with_default(refused, || drop(info_span!("job")));
    with_default(registry().with(None::<SpanMetricsLayer>), || {
        drop(info_span!("job"));
    });
    assert_eq!(metrics.count("closed"), counted);
}

#[test]
fn two_layers_in_one_subscriber_both_count() {
    let _alone = alone();
    let metrics = Metrics::new();
    let other = metrics.layer([Rule::span("other").with_counter("others_total")]);
    let subscriber = registry().with(job_layer(&metrics)).with(other);
    with_default(subscriber, || {
        assert!(info_span!("neither").is_disabled());
        for _ in 0..3 {
            drop(info_span!("job"));
            drop(info_span!("other"));
        }
    });
    assert_eq!(metrics.count("closed"), 3);
    assert_eq!(metrics.count("others"), 3);
}

/// The spans of both subscribers have the same id.
#[test]
fn subscribers_that_record_into_one_metric_do_not_mix_their_spans() {
    let _alone = alone();
    let metrics = Metrics::new();
    let (first, second) = (job_layer(&metrics), job_layer(&metrics));
    with_default(registry().with(first), || {
        let held = info_span!("job");
        with_default(registry().with(second), || drop(info_span!("job")));
        assert_eq!(metrics.count("closed"), 1);
        drop(held);
    });
    assert_eq!(metrics.count("closed"), 2);
}

#[test]
fn the_layer_is_found_in_the_subscriber_by_its_type() {
    let _alone = alone();
    let metrics = Metrics::new();
    let dispatch = tracing::Dispatch::new(registry().with(job_layer(&metrics)));
    let layer = dispatch.downcast_ref::<SpanMetricsLayer>().unwrap();
    assert!(format!("{layer:?}").contains("job"));
    assert!(dispatch.downcast_ref::<Seen>().is_none());
}

fn errors<S: Subscriber + for<'a> LookupSpan<'a>>() -> Filtered<Identity, LevelFilter, S> {
    Identity::new().with_filter(LevelFilter::ERROR)
}

type Boxed = Box<dyn Subscriber + Send + Sync>;

fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn job_layer(metrics: &Metrics) -> SpanMetricsLayer {
    metrics.layer([both("job")])
}

/// Counts the spans and events that reach it.
#[derive(Clone, Default)]
struct Seen(Arc<[AtomicU64; 2]>);

impl Seen {
    fn spans(&self) -> u64 {
        self.0[0].load(Ordering::Relaxed)
    }

    fn events(&self) -> u64 {
        self.0[1].load(Ordering::Relaxed)
    }
}

impl<S: Subscriber> Layer<S> for Seen {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
    }

    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }
}

/// A global filter that refuses spans with this name, and is asked for each span.
struct Refuses(&'static str);

impl<S: Subscriber> Layer<S> for Refuses {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.name() == self.0 { Interest::sometimes() } else { Interest::always() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.name() != self.0
    }
}
