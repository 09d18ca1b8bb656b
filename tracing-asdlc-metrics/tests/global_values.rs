//! Values whose formatting runs other code, with a global subscriber. A process has one, so there is one test.

mod support;

use std::fmt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use support::{Metrics, panic_now, panics, series};
use tracing::{error, info, info_span};
use tracing_asdlc_metrics::{Label, Outcome, Rule};

// Trap 13
#[test]
fn a_value_may_log_open_spans_or_panic_while_it_is_formatted() {
    let metrics = Metrics::new();
    let rule = |span| {
        Rule::span(span)
            .with_in_flight("open")
            .with_counter("total")
            .with_label(Label::field("value").with_inheritance())
            .with_outcome(Outcome::label("outcome"))
    };
    let events = Rule::events().with_target("global_values").with_counter("events_total");
    let rules =
        [rule("job"), rule("within"), events.with_label(Label::field("value").with_inheritance())];
    tracing::subscriber::set_global_default(metrics.subscriber(rules)).unwrap();

    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        let job = info_span!("job", value = %Logs("created"));
        job.record("value", tracing::field::display(Logs("recorded")));
        job.in_scope(|| info!(value = ?Logs("event")));
        panics(|| drop(info_span!("job", value = %Panics)));
        panics(|| {
            job.record("value", tracing::field::display(Panics));
        });
        panics(|| info!(value = %Panics));
        let _ = done.send(());
        drop(job);
        let _ = done.send(());
    });
    for _ in 0..2 {
        finished.recv_timeout(Duration::from_secs(60)).expect("neither a deadlock nor a panic");
    }
    // The job, and one span inside each of the three values; two of these are not children of the job.
    let closed = series([("outcome=unknown", 2), ("outcome=unknown,value=recorded", 2)]);
    assert_eq!(metrics.values("total"), closed);
    assert!(metrics.values("open").values().all(|open| *open == 0.0));
    let events = series([("", 2), ("value=event", 1), ("value=recorded", 1)]);
    assert_eq!(metrics.values("events"), events);
}

/// Its formatting opens a span and emits an event.
struct Logs(&'static str);

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _within = info_span!("within").entered();
        error!("formatting");
        f.write_str(self.0)
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic_now()
    }
}
