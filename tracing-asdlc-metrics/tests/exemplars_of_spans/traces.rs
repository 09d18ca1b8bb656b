//! Whatever the traces are, no span gets the trace of another one, and the traces are the same as without exemplars.

use crate::exemplar_support::{Measurement, Place};
use crate::setup::{BROKEN, HIDDEN, Kind, Order, Setup, Test, attach, job, remote, unsampled};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tracing::dispatcher::with_default;
use tracing::{Span, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

//
#[test]
fn a_span_that_is_not_sampled_has_no_exemplar_in_a_sampled_one_and_the_other_way_round() {
    for test in Test::both() {
        with_default(&test.subscriber, || {
            for n in [0, 10] {
                let _sampled = job(n + 1).entered();
                let _not = unsampled(n + 2).entered();
                let _sampled = job(n + 3).entered();
                unsampled(n + 4).in_scope(|| ());
            }
            unsampled(5).in_scope(|| ());
            drop(unsampled(6));
        });
        test.check(&[1, 3, 11, 13]);
    }
}

/// The traces are as without exemplars: the parent of a span can be set after the span was entered.
//
#[test]
fn without_context_activation_a_span_has_its_own_trace_or_none_and_is_not_started() {
    for test in Test::with_both(Setup { activates: false, ..Setup::default() }) {
        with_default(&test.subscriber, || {
            for n in 0..20 {
                let _other = attach(n % 2 == 0);
                let span = job(n);
                let entered = span.clone().entered();
                info!(parent: &span, "an event");
                let _inside = attach(n % 4 == 0);
                info!("an event");
                let parent = Context::new().with_remote_span_context(remote(n + 1));
                span.set_parent(parent).expect("it has not started");
                drop(entered);
                let _again = span.entered();
            }
        });
        let spans = test.traces.get_finished_spans().expect("no shutdown");
        for (n, span) in (0..).zip(&spans) {
            assert_eq!(span.span_context.trace_id(), remote(n + 1).trace_id(), "{:?}", test.order);
        }
        assert_eq!(spans.len(), 20);
        match test.order {
            Order::TracesFirst => test.check(&[]),
            Order::MetricsFirst => test.check(&(0..20).collect::<Vec<_>>()),
        }
    }
}

/// A context that is attached in a span and detached after its exit looks as if the span had been the current one.
//
#[test]
fn without_context_activation_at_most_one_span_is_started_early() {
    for test in Test::with_both(Setup { activates: false, ..Setup::default() }) {
        with_default(&test.subscriber, || {
            let early = (0..10).filter(|n| {
                let span = job(*n);
                let entered = span.clone().entered();
                let _attached = attach(true);
                drop(entered);
                span.set_parent(Context::new()).is_err()
            });
            assert_eq!(early.count(), 1, "{:?}", test.order);
        });
        match test.order {
            // The one that was started early.
            Order::TracesFirst => test.check(&[0]),
            Order::MetricsFirst => test.check(&(0..10).collect::<Vec<_>>()),
        }
    }
}

/// A filter hides spans from the layer of `tracing-opentelemetry`.
//
#[test]
fn a_span_that_has_no_opentelemetry_span_does_not_get_that_of_its_parent() {
    let kind = Kind::Filtered(|metadata| metadata.target() != "hidden");
    for test in Test::with_both(Setup { kind, ..Setup::default() }) {
        with_default(&test.subscriber, || {
            for n in [0, 10] {
                let hidden = || info_span!(target: "hidden", "job", n = n + 2, sampled = true);
                let _seen = job(n + 1).entered();
                let _hidden = hidden().entered();
                job(n + 3).in_scope(|| hidden().in_scope(|| drop(hidden())));
                // The current span changes while the hidden one is entered: a context is detached, and one is attached.
                let detached = attach(true);
                let entered = hidden().entered();
                drop(detached);
                drop(entered);
                let entered = hidden().entered();
                let _attached = attach(true);
                drop(entered);
            }
        });
        test.check(&[1, 3, 11, 13]);
    }
}

//
#[test]
fn an_event_with_an_explicit_parent_belongs_to_that_span_and_does_not_start_it() {
    for test in Test::both() {
        with_default(&test.subscriber, || {
            let parent = job(1);
            let unknown = info_span!("other", n = 2, sampled = true);
            let not_entered = job(3);
            parent.in_scope(|| ());
            let _current = job(4).entered();
            info!(parent: &parent, "1");
            info!(parent: &unknown, "none");
            info!(parent: &not_entered, "none");
            info!(parent: None, "none");
            info!("4");
            let ids = |span: &Span| {
                let context = span.context();
                let span = context.span().span_context().clone();
                Place::Said(Some((span.trace_id(), span.span_id())))
            };
            let none = Place::Said(None);
            let current = Span::current();
            let expected = [ids(&parent), none, none, none, ids(&current)];
            assert_eq!(test.meters.places("events"), expected, "{:?}", test.order);
            // They had not been started before `context` did.
            for span in [job(5), info_span!("other", n = 6)] {
                info!(parent: &span, "none");
                span.set_parent(Context::new()).expect("it has not started");
            }
        });
    }
}

/// A filter may decide for each span, so what it has decided for other spans of the callsite proves nothing.
//
#[test]
fn a_span_that_is_hidden_does_not_get_the_trace_of_its_parent_if_others_of_its_callsite_are_seen() {
    let setup = Setup { kind: Kind::FilteredEach, ..Setup::default() };
    for test in Test::with_both(setup) {
        with_default(&test.subscriber, || {
            for n in 0..20 {
                let _parent = job(n).entered();
                HIDDEN.set(n % 3 > 0);
                job(n + 100).in_scope(|| info_span!("other", n = 0).in_scope(|| ()));
                let again = job(n + 200);
                again.in_scope(|| ());
                HIDDEN.set(false);
                // In another parent.
                job(n + 300).in_scope(|| again.in_scope(|| ()));
            }
        });
        let seen = (0..20).filter(|n| n % 3 == 0).flat_map(|n| [n + 100, n + 200]);
        test.check(&(0..20).chain(300..320).chain(seen).collect::<Vec<_>>());
    }
}

//
#[test]
fn a_layer_that_cannot_be_used_gives_no_exemplars_and_panics_at_most_once() {
    for (kind, panics) in [(Kind::Reloadable, 0), (Kind::Broken, 1)] {
        for test in Test::with_both(Setup { kind, ..Setup::default() }) {
            BROKEN.set(0);
            with_default(&test.subscriber, || {
                for n in 0..3 {
                    let _parent = job(n).entered();
                    job(n + 100).in_scope(|| info!("an event"));
                    drop(job(n + 200));
                }
            });
            assert_eq!(test.traces.get_finished_spans().expect("no shutdown").len(), 9);
            let measured = test.meters.measured();
            let counted =
                |it: &&Measurement| it.instrument == "closed" || it.instrument == "events";
            let places = measured.iter().filter(counted).map(|it| it.place).collect::<Vec<_>>();
            assert_eq!(places.len(), 9 + 3);
            let of_spans = measured.iter().filter(|it| it.instrument == "closed");
            assert!(of_spans.map(|it| it.place).all(|place| place == Place::Said(None)));
            assert_eq!(BROKEN.get(), panics);
        }
    }
}

/// A sampler is user code, which the other layer calls while it holds a lock.
//
#[test]
fn a_sampler_that_opens_spans_and_emits_events_does_not_block() {
    for order in 0..2 {
        // On a thread of its own, because a deadlock would never end.
        let (send, done) = mpsc::channel();
        thread::spawn(move || {
            let setup = Setup { sampler_traces: true, ..Setup::default() };
            let [first, second] = Test::with_both(setup);
            let test = if order == 0 { first } else { second };
            with_default(&test.subscriber, || {
                for n in 1..4 {
                    let _outer = job(n).entered();
                    drop(job(n + 10));
                    let _inner = job(n + 20).entered();
                }
            });
            send.send(test.meters.measured()).expect("the test waits");
        });
        let measured = done.recv_timeout(Duration::from_secs(60)).expect("no deadlock");
        let events = measured.iter().filter(|it| it.instrument == "events");
        // The sampler emits two for each span that is not its own.
        assert_eq!(events.count(), 2 * 9);
        assert!(measured.iter().all(|it| matches!(it.place, Place::Said(_))));
    }
}
