//! Spans that close anywhere.

use crate::setup::{Order, Setup, Test, is_sampled, job, numbered};
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use tracing::dispatcher::{self, with_default};
use tracing::{Instrument, Span, info_span};
use tracing_asdlc_metrics::Metered;

//
#[test]
fn each_span_has_its_own_trace_whatever_is_current_when_it_closes() {
    for test in Test::both() {
        with_default(&test.subscriber, || {
            {
                // The first spans, of which nothing is known yet: one inside the other.
                let _outer = job(1).entered();
                let _inner = job(2).entered();
                let _unmeasured = info_span!("other", n = 3).entered();
                let _innermost = job(4).entered();
            }
            let closed_in_another = job(5);
            closed_in_another.in_scope(|| ());
            job(6).in_scope(|| drop(closed_in_another));
            let closed_while_entered = job(7);
            let entered = closed_while_entered.clone().entered();
            drop(closed_while_entered);
            drop(entered);
            let again = job(8);
            again.in_scope(|| again.in_scope(|| job(9).in_scope(|| ())));
            again.in_scope(|| ());
        });
        test.check(&[1, 2, 4, 5, 6, 7, 8, 9]);
    }
}

//
#[test]
fn a_span_that_closes_on_another_thread_has_its_own_trace() {
    for test in Test::both() {
        with_default(&test.subscriber, || {
            for n in 0..20 {
                let span = job(n);
                span.in_scope(|| ());
                let close = move || job(100 + n).in_scope(|| drop(span));
                let on_other = || with_default(&test.subscriber, close);
                thread::scope(|scope| {
                    scope.spawn(on_other);
                });
            }
        });
        test.check(&(0..20).chain(100..120).collect::<Vec<_>>());
    }
}

//
#[test]
fn a_span_that_is_entered_by_two_threads_at_once_has_its_own_trace() {
    for test in Test::both() {
        for n in 0..50 {
            let span = with_default(&test.subscriber, || job(n));
            let start = std::sync::Barrier::new(2);
            thread::scope(|scope| {
                for thread in 1..=2 {
                    let (span, start, subscriber) = (span.clone(), &start, &test.subscriber);
                    scope.spawn(move || {
                        with_default(subscriber, || {
                            let _other = job(n + 100 * thread).entered();
                            start.wait();
                            span.in_scope(|| ());
                        });
                    });
                }
            });
        }
        test.check(&(0..50).chain(100..150).chain(200..250).collect::<Vec<_>>());
    }
}

/// If the layer of `tracing-opentelemetry` is called first, it has removed what it knew.
//
#[test]
fn a_span_that_is_never_entered_has_its_own_trace_or_none() {
    for test in Test::both() {
        with_default(&test.subscriber, || {
            drop(job(1));
            job(2).in_scope(|| drop(job(3)));
            let _outer = job(4).entered();
            drop(job(5));
            drop(info_span!(parent: None, "job", n = 6, sampled = true));
        });
        match test.order {
            Order::TracesFirst => test.check(&[2, 4]),
            Order::MetricsFirst => test.check(&[1, 2, 3, 4, 5, 6]),
        }
    }
}

//
#[test]
fn a_span_whose_children_are_in_other_tasks_has_its_own_trace() {
    for test in Test::both() {
        let subscriber = test.subscriber.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            // A guard that is not dropped: the subscriber is the thread's until it ends.
            .on_thread_start(move || std::mem::forget(dispatcher::set_default(&subscriber)))
            .build()
            .expect("a runtime");
        let task = |n| {
            let parent = job(n);
            let child = parent.in_scope(|| job(n + 100));
            let work = async {
                tokio::task::yield_now().await;
                job(500).in_scope(|| ());
            };
            // Only the child has a handle of the parent.
            work.instrument(child)
        };
        let tasks: Vec<_> =
            with_default(&test.subscriber, || (0..50).map(|n| runtime.spawn(task(n))).collect());
        runtime.block_on(async {
            for task in tasks {
                task.await.expect("no panic");
            }
        });
        drop(runtime);
        test.check(&(0..50).chain(100..150).chain([500; 50]).collect::<Vec<_>>());
    }
}

//
#[test]
fn a_metered_future_has_the_trace_of_its_span_however_it_ends() {
    for test in Test::both() {
        with_default(&test.subscriber, || {
            let mut cx = Context::from_waker(Waker::noop());
            for (n, result) in [(1, Ok(())), (2, Err(()))] {
                let mut done = pin!(ready(result).metered(job(n)));
                assert_eq!(done.as_mut().poll(&mut cx), Poll::Ready(result));
            }
            let _outer = job(3).entered();
            {
                let mut cancelled = pin!(pending::<Result<(), ()>>().metered(job(4)));
                assert!(cancelled.as_mut().poll(&mut cx).is_pending());
                assert!(cancelled.as_mut().poll(&mut cx).is_pending());
            }
            // Never polled: its drop enters the span.
            drop(pending::<()>().metered(job(5)));
            let panicking = async { resume_unwind(Box::new("on purpose")) };
            let mut panicking = Box::pin(panicking.metered_by(job(6), |()| true));
            let run = AssertUnwindSafe(|| panicking.as_mut().poll(&mut cx).is_ready());
            assert!(catch_unwind(run).is_err());
            drop(panicking);
        });
        test.check(&[1, 2, 3, 4, 5, 6]);
    }
}

/// Two threads, and each span is sampled or not.
//
#[test]
fn each_of_many_spans_has_its_own_trace_if_it_is_sampled() {
    const SPANS: u64 = 5_000;
    for test in Test::with_both(Setup { has_busy: false, ..Setup::default() }) {
        let sampled: Vec<_> = (0..2 * SPANS).filter(|n| is_sampled(*n)).collect();
        let (send, receive) = std::sync::mpsc::channel::<Span>();
        thread::scope(|scope| {
            let closes = || {
                with_default(&test.subscriber, || {
                    for (n, span) in (SPANS..).zip(receive) {
                        // It closes here, inside another span, which may be sampled or not.
                        numbered(n).in_scope(|| drop(span));
                    }
                });
            };
            scope.spawn(closes);
            with_default(&test.subscriber, || {
                for n in 0..SPANS {
                    let span = numbered(n);
                    span.in_scope(|| ());
                    send.send(span).expect("a receiver");
                }
            });
            drop(send);
        });
        assert!(sampled.len() as u64 > SPANS / 2);
        test.check(&sampled);
    }
}
