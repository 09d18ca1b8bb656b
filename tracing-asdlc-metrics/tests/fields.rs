//! Spans and events with many fields.

mod support;

use support::{Metrics, both, series};
use tracing::field::Empty;
use tracing::{info, info_span};
use tracing_asdlc_metrics::{Label, Outcome, Rule};

/// Calls the macro with 32 fields, followed by these fields.
macro_rules! after_32 {
    ($macro:ident!($($first:expr)?; $($field:tt)*)) => {
        $macro!(
            $($first,)?
            f00 = 0, f01 = 0, f02 = 0, f03 = 0, f04 = 0, f05 = 0, f06 = 0, f07 = 0, f08 = 0, f09 = 0, f10 = 0,
            f11 = 0, f12 = 0, f13 = 0, f14 = 0, f15 = 0, f16 = 0, f17 = 0, f18 = 0, f19 = 0, f20 = 0, f21 = 0,
            f22 = 0, f23 = 0, f24 = 0, f25 = 0, f26 = 0, f27 = 0, f28 = 0, f29 = 0, f30 = 0, f31 = 0,
            $($field)*
        )
    };
}

// F-19
#[test]
fn the_33rd_field_of_an_event_of_40_is_recorded() {
    let metrics = Metrics::new();
    let rule = Rule::events().with_target("fields").with_sum("bytes_total", "bytes");
    metrics.with([rule], || {
        after_32!(info!(; bytes = 5, g1 = 0, g2 = 0, g3 = 0, g4 = 0, g5 = 0, g6 = 0, g7 = 0));
    });
    assert_eq!(metrics.values("bytes"), series([("", 5)]));
}

// F-19, a neighbour: other instruments.
#[test]
fn a_histogram_and_a_gauge_find_their_fields_after_the_32nd() {
    let metrics = Metrics::new();
    let rule = Rule::events()
        .with_target("fields")
        .with_histogram("size_bytes", "size")
        .with_boundaries([10.0])
        .with_gauge("entries", "entries")
        .with_label(Label::field("kind"));
    metrics.with([rule], || {
        after_32!(info!(; size = 5, g1 = 0, entries = 7, kind = "a"));
    });
    assert_eq!(metrics.sums("size"), series([("kind=a", 5)]));
    assert_eq!(metrics.values("entries"), series([("kind=a", 7)]));
}

// F-19, a neighbour: prefixed fields, and more numbers than one batch has.
#[test]
fn every_prefixed_field_of_an_event_of_40_is_a_metric() {
    let metrics = Metrics::new();
    let rule = Rule::prefixed_fields().with_target("fields").with_label("kind");
    metrics.with([rule], || {
        for _ in 0..2 {
            info!(
                gauge.m00 = 0,
                gauge.m01 = 1,
                gauge.m02 = 2,
                gauge.m03 = 3,
                gauge.m04 = 4,
                gauge.m05 = 5,
                gauge.m06 = 6,
                gauge.m07 = 7,
                gauge.m08 = 8,
                gauge.m09 = 9,
                gauge.m10 = 10,
                gauge.m11 = 11,
                gauge.m12 = 12,
                gauge.m13 = 13,
                gauge.m14 = 14,
                gauge.m15 = 15,
                gauge.m16 = 16,
                gauge.m17 = 17,
                gauge.m18 = 18,
                gauge.m19 = 19,
                gauge.m20 = 20,
                gauge.m21 = 21,
                gauge.m22 = 22,
                gauge.m23 = 23,
                gauge.m24 = 24,
                gauge.m25 = 25,
                gauge.m26 = 26,
                gauge.m27 = 27,
                gauge.m28 = 28,
                gauge.m29 = 29,
                gauge.m30 = 30,
                gauge.m31 = 31,
                gauge.m32 = 32,
                gauge.m33 = 33,
                gauge.m34 = 34,
                gauge.m35 = 35,
                gauge.m36 = 36,
                gauge.m37 = 37,
                counter.m38 = 38,
                monotonic_counter.m39 = 39,
                kind = "a"
            );
        }
    });
    for number in 0..38 {
        let name = format!("m{number:02}");
        assert_eq!(metrics.values(&name), series([("kind=a", number)]), "{name}");
    }
    assert_eq!(metrics.values("m38"), series([("kind=a", 2 * 38)]));
    assert_eq!(metrics.values("m39"), series([("kind=a", 2 * 39)]));
}

// F-19: labels and outcomes have no limit of 32 fields.
#[test]
fn a_label_and_an_outcome_of_a_span_may_be_its_35th_field() {
    let metrics = Metrics::new();
    let rule = both("wide").with_label("kind").with_outcome(Outcome::label("status"));
    metrics.with([rule], || {
        let span = after_32!(info_span!("wide"; g1 = 0, kind = "a", status = Empty));
        span.record("status", "failed");
        span.record("kind", "b");
    });
    assert_eq!(metrics.values("closed")["kind=b,status=failed"], 1.0);
}
