//! The outcome of a future with `metered`.

mod support;

use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use support::{Metrics, check_outcomes, panic_now, panics, series};
use tracing::subscriber::with_default;
use tracing::{Metadata, Span, info_span};
use tracing_asdlc_metrics::{Metered, Outcome, Rule};
use tracing_subscriber::layer::{Identity, SubscriberExt};
use tracing_subscriber::{Layer, registry};

type Failure = Result<u32, &'static str>;

// Trap 5
#[test]
fn ok_err_cancelled_and_panicked_are_distinguished() {
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        assert_eq!(poll(ready(Failure::Ok(1)).metered(job())), Poll::Ready(Ok(1)));
        assert_eq!(poll(ready(Failure::Err("no")).metered(job())), Poll::Ready(Err("no")));
        assert!(poll(pending::<Failure>().metered(job())).is_pending());
        drop(pending::<Failure>().metered(job()));
        panics(|| assert!(poll(panicking().metered(job())) == Poll::Ready(())));
        check(&metrics, [1, 1, 2, 1]);
        // The output decides, independent of what was logged. The field takes precedence over it.
        let logs = async {
            tracing::error!(error = "no");
            Failure::Ok(1)
        };
        assert!(poll(logs.metered(job())).is_ready());
        assert!(
            poll(ready(Failure::Ok(1)).metered(info_span!("job", outcome = "failed"))).is_ready()
        );
        check(&metrics, [2, 2, 2, 1]);
        assert_eq!(metrics.values("open_jobs"), series([("", 0)]));
    });
}

#[test]
fn an_output_that_is_not_a_result_is_a_success_or_what_a_function_decides() {
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        assert!(poll(ready(()).metered(job())).is_ready());
        assert!(poll(ready(Some(1)).metered(job())).is_ready());
        assert!(poll(ready(None::<u32>).metered(job())).is_ready());
        assert!(poll(ready(500).metered_by(job(), |status| *status < 500)).is_ready());
        assert!(poll(ready(200).metered_by(job(), |status| *status < 500)).is_ready());
    });
    check(&metrics, [4, 1, 0, 0]);
}

// Trap 5
#[test]
fn nested_metered_futures_each_have_their_own_outcome() {
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        let inner = ready(Failure::Err("no")).metered(job());
        let outer = async { inner.await.or(Failure::Ok(1)) };
        assert_eq!(poll(outer.metered(job())), Poll::Ready(Ok(1)));
        check(&metrics, [1, 1, 0, 0]);
        // Both are cancelled: the drop of the outer future drops the inner one.
        let inner = pending::<Failure>().metered(job());
        assert!(poll(inner.metered(job())).is_pending());
        check(&metrics, [1, 1, 2, 0]);
        // Not metered: nothing is known about its end.
        let span = job();
        drop(tracing::Instrument::instrument(pending::<()>(), span));
        check_outcomes(&metrics, [1, 1, 2, 0, 1]);
    });
}

/// The drop of a cancelled future runs in the span, and the span is cancelled.
#[test]
fn the_span_is_entered_while_the_future_is_dropped() {
    struct Cleanup;
    impl Drop for Cleanup {
        fn drop(&mut self) {
            drop(info_span!("cleanup", in_job = Span::current().metadata().map(Metadata::name)));
        }
    }
    let metrics = Metrics::new();
    let cleanup = Rule::span("cleanup").with_counter("cleanups_total").with_label("in_job");
    metrics.with([rule(), cleanup], || {
        let cleanup = Cleanup;
        let future = async move {
            let _cleanup = cleanup;
            pending::<()>().await;
        };
        assert!(poll(future.metered(job())).is_pending());
    });
    check(&metrics, [0, 0, 1, 0]);
    assert_eq!(metrics.values("cleanups"), series([("in_job=job", 1)]));
}

/// The future need not have the last handle of the span.
#[test]
fn the_outcome_is_kept_until_the_span_closes() {
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        let span = job();
        assert!(poll(ready(Failure::Err("no")).metered(span.clone())).is_ready());
        check(&metrics, [0, 0, 0, 0]);
        drop(span);
    });
    check(&metrics, [0, 1, 0, 0]);
}

// Trap 2
#[test]
fn every_layer_reads_the_outcome_also_inside_other_layers() {
    let metrics = [Metrics::new(), Metrics::new(), Metrics::new()];
    let [first, second, third] = metrics.each_ref().map(|metrics| metrics.layer([rule()]));
    let all = tracing::level_filters::LevelFilter::TRACE;
    let subscriber = registry()
        .with(Some(first))
        .with(vec![second.boxed()])
        .with(third.with_filter(all))
        .with(Identity::new());
    with_default(subscriber, || {
        assert!(poll(ready(Failure::Err("no")).metered(job())).is_ready());
        drop(pending::<()>().metered(job()));
    });
    metrics.iter().for_each(|metrics| check(metrics, [0, 1, 1, 0]));
}

#[test]
fn without_a_subscriber_the_future_just_runs() {
    assert_eq!(poll(ready(Failure::Ok(1)).metered(job())), Poll::Ready(Ok(1)));
    let metered = pending::<()>().metered(Span::none());
    assert!(metered.span().is_none());
    assert!(poll(metered).is_pending());
    // The next span does not get its outcome.
    let metrics = Metrics::new();
    metrics.with([rule()], || job().in_scope(|| ()));
    check_outcomes(&metrics, [0, 0, 0, 0, 1]);
}

/// A span of another subscriber may have the same id.
#[test]
fn an_outcome_that_no_layer_reads_is_cleared() {
    let id = with_default(registry(), || {
        let span = job();
        assert!(poll(ready(Failure::Err("no")).metered(span.clone())).is_ready());
        drop(pending::<()>().metered(span.clone()));
        span.id()
    });
    assert!(id.is_some());
    let metrics = Metrics::new();
    metrics.with([rule()], || {
        let span = job();
        assert_eq!(span.id(), id);
        span.in_scope(|| ());
    });
    check_outcomes(&metrics, [0, 0, 0, 0, 1]);
}

#[tokio::test]
async fn a_metered_task_has_the_outcome_of_the_task() {
    let metrics = Metrics::new();
    let guard = tracing::subscriber::set_default(metrics.subscriber([rule()]));
    let done = tokio::spawn(async { Failure::Ok(1) }.metered(job()));
    let panicked = tokio::spawn(panicking().metered(job()));
    let aborted = tokio::spawn(pending::<Failure>().metered(job()));
    assert_eq!(metrics.values("open_jobs"), series([("", 3)]));
    done.await.unwrap().unwrap();
    assert!(panicked.await.unwrap_err().is_panic());
    aborted.abort();
    assert!(aborted.await.unwrap_err().is_cancelled());
    drop(guard);
    check(&metrics, [1, 0, 1, 1]);
    assert_eq!(metrics.values("open_jobs"), series([("", 0)]));
}

fn rule() -> Rule {
    Rule::span("job")
        .with_in_flight("open_jobs")
        .with_counter("jobs_total")
        .with_outcome(Outcome::label("outcome"))
}

fn job() -> Span {
    info_span!("job")
}

/// Polls the future once, and drops it.
fn poll<F: Future>(future: F) -> Poll<F::Output> {
    let future: Pin<&mut F> = pin!(future);
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Successes, failures, cancellations and panics.
fn check(metrics: &Metrics, [success, failed, cancelled, panicked]: [i32; 4]) {
    check_outcomes(metrics, [success, failed, cancelled, panicked, 0]);
}

async fn panicking() {
    panic_now();
}
