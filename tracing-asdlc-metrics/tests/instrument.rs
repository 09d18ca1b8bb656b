//! The outcome of a span from the events of `#[instrument(err)]` and `#[instrument(ret)]`.

mod support;

use std::future::{Future, pending};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use support::{Metrics, check_outcomes, panic_now, panics, series};
use tracing::{Span, info_span, instrument};
use tracing_asdlc_metrics::{Metered, Outcome, Rule};
use tracing_subscriber::layer::{Identity, SubscriberExt};

#[instrument(err)]
fn job(fails: bool) -> Result<(), std::fmt::Error> {
    // An event about an error is not the error of the function.
    tracing::error!(error = "only logged");
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

/// No rule matches this span.
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
    // Without another layer the span of `inner` is disabled, so its event is emitted in the span of `survives`.
    let metrics = Metrics::new();
    metrics.with([rule(), other()], run);
    check_outcomes(&metrics, [0, 4, 0, 0, 2]);
    assert_eq!(metrics.values("others")["outcome=unknown"], 1.0);
    // Another layer enables it.
    let metrics = Metrics::new();
    let subscriber = metrics.subscriber([rule(), other()]).with(Identity::new());
    tracing::subscriber::with_default(subscriber, run);
    check_outcomes(&metrics, [0, 4, 0, 0, 2]);
    assert_eq!(metrics.values("others")["outcome=unknown"], 1.0);
}

#[instrument(name = "job", err)]
async fn waits() -> Result<(), std::fmt::Error> {
    std::future::pending().await
}

#[instrument(name = "job")]
fn reports_nothing() -> Result<(), std::fmt::Error> {
    Err(std::fmt::Error)
}

#[instrument(name = "job", err, ret)]
async fn reports_all(result: Option<bool>) -> Result<bool, bool> {
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
fn a_span_that_only_closed_is_not_a_success() {
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        // Dropped before its end, as when a client disconnects.
        drop_before_end(waits());
        let _ = reports_nothing();
        drop(info_span!("job"));
    });
    assert_eq!(metrics.values("jobs")["outcome=success"], 0.0);
    check_outcomes(&metrics, [0, 0, 0, 0, 3]);
}

// F-23a, a neighbour: what proves an outcome.
#[test]
fn err_and_ret_together_prove_success_and_failure() {
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        for result in [Some(true), Some(false), None] {
            drop_before_end(reports_all(result));
        }
        assert_eq!(returns(7), 7);
    });
    check_outcomes(&metrics, [2, 1, 0, 0, 1]);
}

// F-23a, a neighbour: the outer span, and a field that only looks like a returned value.
#[test]
fn a_returned_value_decides_the_outcome_of_its_own_span_only() {
    let metrics = Metrics::new();
    metrics.with([rule(), other()], || {
        let outer = info_span!("other").entered();
        returns(7);
        tracing::info!("return" = 7);
        drop(outer);
        let span = info_span!("job");
        span.in_scope(|| tracing::info!("return" = 7));
    });
    assert_eq!(metrics.values("others")["outcome=unknown"], 1.0);
    check_outcomes(&metrics, [1, 0, 0, 0, 1]);
}

// F-23a
#[test]
fn a_rule_can_declare_that_a_close_is_a_success() {
    let metrics = Metrics::new();
    let outcome = Outcome::label("outcome").with_unknown("success");
    let rule = Rule::span("job").with_counter("jobs_total").with_outcome(outcome);
    metrics.with([rule], || {
        drop(info_span!("job"));
        let _ = job(true);
        drop(info_span!("job", outcome = "unknown"));
    });
    assert_eq!(
        metrics.values("jobs"),
        series([
            ("outcome=cancelled", 0),
            ("outcome=failed", 1),
            ("outcome=panicked", 0),
            ("outcome=success", 2),
        ])
    );
}

/// Polls the future once, and drops it.
fn drop_before_end(future: impl Future) {
    let mut context = Context::from_waker(Waker::noop());
    let _ = pin!(future).poll(&mut context);
}

// F-23a, a neighbour: a proved outcome stays when a later panic drops the last handle of the span.
#[test]
fn a_later_panic_does_not_change_a_proved_outcome() {
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
        // Only the panic is proved for these, also if a clone outlives it.
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
    check_outcomes(&metrics, [2, 2, 1, 2, 0]);
}

fn now<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is pending"),
    }
}

fn rule() -> Rule {
    Rule::span("job").with_counter("jobs_total").with_outcome(Outcome::label("outcome"))
}

fn other() -> Rule {
    Rule::span("other").with_counter("others_total").with_outcome(Outcome::label("outcome"))
}
