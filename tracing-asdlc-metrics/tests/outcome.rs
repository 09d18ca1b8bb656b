//! How a span ended.

mod support;

use std::future::{Future, pending};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use support::{Metrics, panic_now, panics, series};
use tracing::field::Empty;
use tracing::{Span, info_span, instrument};
use tracing_asdlc_metrics::{Metered, Outcome, Rule};
use tracing_subscriber::layer::{Identity, SubscriberExt};

// W-03
#[test]
fn the_event_rule_of_the_workers() {
    let rule = Rule::span("event")
        .with_in_flight("active_tasks")
        .with_counter("events_processed_total")
        .with_outcome(
            Outcome::label("status")
                .with_cancelled("failed")
                .with_panicked("failed")
                .with_unknown("success"),
        );
    let metrics = Metrics::new();
    metrics.with([rule], || {
        let counted = || metrics.values("events_processed_total");
        assert_eq!(
            counted(),
            series([("status=failed", 0), ("status=success", 0)]),
            "at the start"
        );
        assert_eq!(metrics.values("active_tasks"), series([("", 0)]));
        let event = info_span!("event", status = Empty);
        assert_eq!(metrics.values("active_tasks"), series([("", 1)]));
        event.record("status", "failed");
        drop(event);
        drop(info_span!("event", status = Empty));
        drop(info_span!("event"));
        panics(|| {
            let _event = info_span!("event").entered();
            panic_now();
        });
        assert_eq!(counted(), series([("status=failed", 2), ("status=success", 2)]));
        assert_eq!(metrics.values("active_tasks"), series([("", 0)]));
    });
}

#[test]
fn the_field_decides_by_its_last_value() {
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        for value in ["success", "failed", "cancelled", "panicked", "what?"] {
            drop(info_span!("job", outcome = value));
        }
        drop(info_span!("job", outcome = false));
        drop(info_span!("job", outcome = true));
        let span = info_span!("job", outcome = "failed");
        span.record("outcome", "cancelled");
        drop(span);
        let span = info_span!("job", outcome = "success");
        panics(|| span.in_scope(|| panic_now()));
        drop(span);
    });
    // "what?" is none of the names.
    check(&metrics, [3, 2, 2, 1, 1]);
}

#[test]
fn names_and_field_can_be_others() {
    let metrics = Metrics::new();
    let outcome = Outcome::label("result").with_field("ok").with_success("good").with_failed("bad");
    let rule = Rule::span("job").with_counter("jobs_total").with_outcome(outcome);
    metrics.with([rule], || {
        drop(info_span!("job", ok = "bad"));
        drop(info_span!("job", ok = "failed"));
        drop(info_span!("job", result = "bad"));
    });
    assert_eq!(
        metrics.values("jobs_total"),
        series([
            ("result=bad", 1),
            ("result=cancelled", 0),
            ("result=good", 0),
            ("result=panicked", 0),
            ("result=unknown", 2)
        ])
    );
}

#[test]
fn the_status_code_of_opentelemetry_decides_after_the_field() {
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        for code in ["OK", "ok", "ERROR", "Error", "error", "UNSET"] {
            drop(info_span!("job", otel.status_code = code));
        }
        drop(info_span!("job", otel.status_code = "ERROR", outcome = "success"));
        let span = info_span!("job", otel.status_code = Empty);
        span.record("otel.status_code", "ERROR");
        drop(span);
    });
    check(&metrics, [3, 4, 0, 0, 1]);
}

// Trap 5
#[test]
fn a_panic_marks_the_spans_it_goes_through_and_no_other() {
    let metrics = Metrics::new();
    metrics.with([rule(), other()], || {
        // Entered, and dropped long after.
        let kept = info_span!("job");
        panics(|| kept.in_scope(|| panic_now()));
        drop(kept);
        // Never entered.
        panics(|| {
            let _dropped = info_span!("job");
            panic_now();
        });
        // Caught within.
        let outside = info_span!("other").entered();
        panics(|| info_span!("job").in_scope(|| panic_now()));
        drop(outside);
    });
    check(&metrics, [0, 0, 0, 3, 0]);
    assert_eq!(metrics.values("others_total")["outcome=unknown"], 1.0);
}

// Trap 5
#[test]
fn a_span_of_a_drop_during_unwinding_has_not_panicked() {
    struct OnDrop<F: FnMut()>(F);
    impl<F: FnMut()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        panics(|| {
            let _cleanup = OnDrop(|| info_span!("job").in_scope(|| drop(info_span!("job"))));
            panic_now();
        });
        let before = info_span!("job");
        panics(|| {
            let _cleanup = OnDrop(|| before.in_scope(|| ()));
            panic_now();
        });
        // And it still can.
        panics(|| before.in_scope(|| panic_now()));
        drop(before);
    });
    check(&metrics, [0, 0, 0, 1, 2]);
}

#[test]
fn a_span_opened_while_unwinding_can_still_fail() {
    struct Cleanup;
    impl Drop for Cleanup {
        fn drop(&mut self) {
            drop(info_span!("job", outcome = "failed"));
        }
    }
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        panics(|| {
            let _cleanup = Cleanup;
            panic_now();
        });
    });
    check(&metrics, [0, 1, 0, 0, 0]);
}

#[instrument(err)]
fn job(fails: bool) -> Result<(), std::fmt::Error> {
    // Logs of an error are not the error.
    tracing::error!(error = "just said");
    tracing::error!("something");
    if fails { Err(std::fmt::Error) } else { Ok(()) }
}

#[instrument(name = "job", err(Debug), fields(a = 1))]
async fn job_async(fails: bool) -> Result<(), std::fmt::Error> {
    if fails { Err(std::fmt::Error) } else { Ok(()) }
}

#[instrument(name = "job", err(level = "warn"))]
fn job_warns() -> Result<(), std::fmt::Error> {
    Err(std::fmt::Error)
}

/// No rule matches it.
#[instrument(err)]
fn inner() -> Result<(), std::fmt::Error> {
    Err(std::fmt::Error)
}

#[instrument(name = "other", err)]
fn survives() -> Result<(), std::fmt::Error> {
    let _ = job(true);
    let _ = inner();
    Ok(())
}

// Trap 11
#[test]
fn an_instrumented_error_fails_its_own_span_and_not_its_parent() {
    let run = || {
        let _ = (job(true), job(false), job_warns());
        for fails in [true, false] {
            let mut future = pin!(job_async(fails));
            let mut context = Context::from_waker(Waker::noop());
            assert!(future.as_mut().poll(&mut context).is_ready());
        }
        let _ = survives();
    };
    // Alone the span of `inner` is disabled: its event then comes in the span of `survives`.
    let metrics = Metrics::new();
    metrics.with([rule(), other()], run);
    check(&metrics, [0, 4, 0, 0, 2]);
    assert_eq!(metrics.values("others_total")["outcome=unknown"], 1.0);
    // Beside another layer it is enabled.
    let metrics = Metrics::new();
    let subscriber = metrics.subscriber([rule(), other()]).with(Identity::new());
    tracing::subscriber::with_default(subscriber, run);
    check(&metrics, [0, 4, 0, 0, 2]);
    assert_eq!(metrics.values("others_total")["outcome=unknown"], 1.0);
}

#[instrument(name = "job", err)]
async fn waits() -> Result<(), std::fmt::Error> {
    std::future::pending().await
}

#[instrument(name = "job")]
fn tells_nothing() -> Result<(), std::fmt::Error> {
    Err(std::fmt::Error)
}

#[instrument(name = "job", err, ret)]
async fn tells_all(result: Option<bool>) -> Result<bool, bool> {
    match result {
        Some(true) => Ok(true),
        Some(false) => Err(false),
        None => std::future::pending().await,
    }
}

#[instrument(name = "job", ret)]
fn returns(number: u32) -> u32 {
    number
}

// F-23a
#[test]
fn a_span_that_just_closed_is_no_success() {
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        // The client left.
        drop_half_way(waits());
        let _ = tells_nothing();
        drop(info_span!("job"));
    });
    assert_eq!(metrics.values("jobs_total")["outcome=success"], 0.0);
    check(&metrics, [0, 0, 0, 0, 3]);
}

// F-23a, a neighbour: what proves an outcome.
#[test]
fn err_and_ret_together_prove_success_and_failure() {
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        for result in [Some(true), Some(false), None] {
            drop_half_way(tells_all(result));
        }
        assert_eq!(returns(7), 7);
    });
    check(&metrics, [2, 1, 0, 0, 1]);
}

// F-23a, a neighbour: the span around, and a value that only looks like one that was returned.
#[test]
fn what_is_returned_is_told_of_its_own_span() {
    let metrics = Metrics::new();
    metrics.with([rule(), other()], || {
        let outer = info_span!("other").entered();
        returns(7);
        tracing::info!("return" = 7);
        drop(outer);
        let span = info_span!("job");
        span.in_scope(|| tracing::info!("return" = 7));
    });
    assert_eq!(metrics.values("others_total")["outcome=unknown"], 1.0);
    check(&metrics, [1, 0, 0, 0, 1]);
}

// F-23a
#[test]
fn a_rule_can_say_that_closing_means_success() {
    let metrics = Metrics::new();
    let outcome = Outcome::label("outcome").with_unknown("success");
    let rule = Rule::span("job").with_counter("jobs_total").with_outcome(outcome);
    metrics.with([rule], || {
        drop(info_span!("job"));
        let _ = job(true);
        drop(info_span!("job", outcome = "unknown"));
    });
    assert_eq!(
        metrics.values("jobs_total"),
        series([
            ("outcome=cancelled", 0),
            ("outcome=failed", 1),
            ("outcome=panicked", 0),
            ("outcome=success", 2),
        ])
    );
}

/// Polls it once.
fn drop_half_way(future: impl Future) {
    let mut context = Context::from_waker(Waker::noop());
    let _ = pin!(future).poll(&mut context);
}

// F-23a, a neighbour: what is proved stays so when a later panic drops the last handle of the span.
#[test]
fn a_panic_that_drops_a_clone_or_a_child_of_a_span_that_has_ended_changes_nothing() {
    #[instrument(name = "job", err, ret)]
    fn job(child: &mut Option<Span>, result: Result<(), u32>) -> Result<(), u32> {
        *child = Some(info_span!("child"));
        result
    }
    let metrics = Metrics::new();
    metrics.with([rule(), Rule::span("child").with_counter("children_total")], || {
        for result in [Ok(()), Err(7)] {
            panics(|| {
                let span = info_span!("job");
                assert_eq!(now(async { result }.metered(span.clone())), result);
                panic_now();
            });
            panics(|| {
                let mut child = None;
                assert_eq!(job(&mut child, result), result);
                panic_now();
            });
        }
        panics(|| {
            let span = info_span!("job");
            drop(pending::<()>().metered(span.clone()));
            panic_now();
        });
        // Nothing is proved of these but the panic, also where a clone outlives it.
        panics(|| {
            let _span = info_span!("job");
            panic_now();
        });
        let span = info_span!("job");
        panics(|| {
            let _future = pending::<()>().metered(span.clone());
            panic_now();
        });
        drop(span);
    });
    check(&metrics, [2, 2, 1, 2, 0]);
}

fn now<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn the_duration_has_the_outcome_too_and_a_rule_of_its_own_has_not() {
    let metrics = Metrics::new();
    let rules =
        [rule().with_duration("job_seconds"), Rule::span("job").with_duration("all_seconds")];
    metrics.with(rules, || {
        drop(info_span!("job", outcome = "failed"));
        drop(info_span!("job"));
    });
    let timed = metrics.values("job_seconds");
    assert_eq!(timed, series([("outcome=failed", 1), ("outcome=unknown", 1)]));
    assert_eq!(metrics.values("all_seconds"), series([("", 2)]));
}

fn rule() -> Rule {
    Rule::span("job").with_counter("jobs_total").with_outcome(Outcome::label("outcome"))
}

fn other() -> Rule {
    Rule::span("other").with_counter("others_total").with_outcome(Outcome::label("outcome"))
}

/// Successes, failures, cancellations, panics, and those of which nothing is known.
fn check(metrics: &Metrics, counts: [i32; 5]) {
    let [success, failed, cancelled, panicked, unknown] = counts;
    assert_eq!(
        metrics.values("jobs_total"),
        series([
            ("outcome=cancelled", cancelled),
            ("outcome=failed", failed),
            ("outcome=panicked", panicked),
            ("outcome=success", success),
            ("outcome=unknown", unknown),
        ])
    );
}
