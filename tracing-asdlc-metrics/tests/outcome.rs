//! The outcome of a span: from a field, from the status code, and from a panic.

mod support;

use support::{Metrics, check_outcomes, panic_now, panics, series};
use tracing::field::Empty;
use tracing::info_span;
use tracing_asdlc_metrics::{Outcome, Rule};

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
        let counted = || metrics.values("events_processed");
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
    // "what?" is not one of the values.
    check_outcomes(&metrics, [3, 2, 2, 1, 1]);
}

#[test]
fn the_values_and_the_field_can_be_set() {
    let metrics = Metrics::new();
    let outcome = Outcome::label("result").with_field("ok").with_success("good").with_failed("bad");
    let rule = Rule::span("job").with_counter("jobs_total").with_outcome(outcome);
    metrics.with([rule], || {
        drop(info_span!("job", ok = "bad"));
        drop(info_span!("job", ok = "failed"));
        drop(info_span!("job", result = "bad"));
    });
    assert_eq!(
        metrics.values("jobs"),
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
fn the_status_code_of_opentelemetry_decides_if_the_outcome_field_does_not() {
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
    check_outcomes(&metrics, [3, 4, 0, 0, 1]);
}

// Trap 5
#[test]
fn a_panic_marks_the_spans_through_which_it_unwinds_and_no_other() {
    let metrics = Metrics::new();
    metrics.with([rule(), other()], || {
        // Entered, and dropped after the panic was caught.
        let kept = info_span!("job");
        panics(|| kept.in_scope(|| panic_now()));
        drop(kept);
        // Never entered.
        panics(|| {
            let _dropped = info_span!("job");
            panic_now();
        });
        // The panic is caught inside the outer span.
        let outside = info_span!("other").entered();
        panics(|| info_span!("job").in_scope(|| panic_now()));
        drop(outside);
    });
    check_outcomes(&metrics, [0, 0, 0, 3, 0]);
    assert_eq!(metrics.values("others")["outcome=unknown"], 1.0);
}

// Trap 5
#[test]
fn a_span_that_a_drop_opens_during_unwinding_has_not_panicked() {
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
        // A later panic of its own is detected.
        panics(|| before.in_scope(|| panic_now()));
        drop(before);
    });
    check_outcomes(&metrics, [0, 0, 0, 1, 2]);
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
    check_outcomes(&metrics, [0, 1, 0, 0, 0]);
}

#[test]
fn a_duration_has_the_outcome_label_only_if_its_rule_has_an_outcome() {
    let metrics = Metrics::new();
    let rules =
        [rule().with_duration("job_seconds"), Rule::span("job").with_duration("all_seconds")];
    metrics.with(rules, || {
        drop(info_span!("job", outcome = "failed"));
        drop(info_span!("job"));
    });
    let timed = metrics.values("job");
    assert_eq!(timed, series([("outcome=failed", 1), ("outcome=unknown", 1)]));
    assert_eq!(metrics.values("all"), series([("", 2)]));
}

fn rule() -> Rule {
    Rule::span("job").with_counter("jobs_total").with_outcome(Outcome::label("outcome"))
}

fn other() -> Rule {
    Rule::span("other").with_counter("others_total").with_outcome(Outcome::label("outcome"))
}
