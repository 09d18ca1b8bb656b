use super::*;
use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{self, Sender},
    thread,
    time::Duration,
};

const TRACE: TraceId = TraceId::from_bytes([1; 16]);
const SPAN: SpanId = SpanId::from_bytes([2; 8]);

fn context(flags: TraceFlags) -> Context {
    let span = SpanContext::new(TRACE, SPAN, flags, true, TraceState::NONE);
    Context::new().with_remote_span_context(span)
}

fn ids(filter: ExemplarFilter) -> Option<SpanIds> {
    current(filter).map(|(ids, _)| ids)
}

/// The ids of [`context`].
fn sampled_ids() -> SpanIds {
    SpanIds::new([1; 16], [2; 8])
}

/// A span that is given now.
fn now(trace: TraceId, span: SpanId) -> Option<(TraceId, SpanId, Instant)> {
    Some((trace, span, Instant::now()))
}

//
#[test]
fn a_measurement_belongs_to_the_span_of_the_current_context_if_that_is_sampled() {
    use ExemplarFilter::{AlwaysOff, AlwaysOn, TraceBased};
    assert_eq!(ids(TraceBased), None);
    assert_eq!(ids(AlwaysOn), Some(SpanIds::default()));
    {
        let _guard = context(TraceFlags::SAMPLED).attach();
        assert_eq!([ids(TraceBased), ids(AlwaysOn)], [Some(sampled_ids()); 2]);
        assert_eq!(ids(AlwaysOff), None);
    }
    let _guard = context(TraceFlags::default()).attach();
    assert_eq!(ids(TraceBased), None);
    assert_eq!(ids(AlwaysOn), Some(SpanIds::default()), "there is no trace to open");
}

//
#[test]
fn what_is_measured_in_a_given_span_does_not_belong_to_the_current_one() {
    use ExemplarFilter::{AlwaysOn, TraceBased};
    let _guard = context(TraceFlags::SAMPLED).attach();
    measure_in(None, &mut || assert_eq!([ids(TraceBased), ids(AlwaysOn)], [None; 2]));
    let other = now(TraceId::from_bytes([3; 16]), SpanId::from_bytes([4; 8]));
    measure_in(other, &mut || {
        let found = Some(SpanIds::new([3; 16], [4; 8]));
        assert_eq!([ids(TraceBased), ids(AlwaysOn)], [found; 2]);
        measure_in(None, &mut || assert_eq!(ids(AlwaysOn), None));
        assert_eq!(ids(TraceBased), found, "the inner call is over");
        measure_in(now(TRACE, SPAN), &mut || assert_eq!(ids(TraceBased), Some(sampled_ids())));
        assert_eq!(ids(TraceBased), found, "the inner call is over");
    });
    measure_in(now(TraceId::INVALID, SpanId::INVALID), &mut || {
        assert_eq!([ids(TraceBased), ids(AlwaysOn)], [None, Some(SpanIds::default())]);
    });
    assert_eq!(ids(TraceBased), Some(sampled_ids()));
}

//
#[test]
fn a_panic_of_a_measurement_ends_its_span() {
    let panics = || measure_in(now(TRACE, SPAN), &mut || panic!("on purpose"));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(ids(ExemplarFilter::TraceBased), None);
}

//
#[test]
fn the_measurements_of_one_call_have_the_time_that_was_given() {
    let time = |filter| current(filter).map(|(_, time)| time);
    Moment::start();
    let first = Instant::now();
    let second = first + Duration::from_secs(1);
    measure_in(Some((TRACE, SPAN, first)), &mut || {
        assert_eq!(time(ExemplarFilter::TraceBased), Some(Moment::of(first)));
        measure_in(Some((TraceId::INVALID, SpanId::INVALID, second)), &mut || {
            assert_eq!(time(ExemplarFilter::AlwaysOn), Some(Moment::of(second)));
        });
        assert_eq!(
            time(ExemplarFilter::TraceBased),
            Some(Moment::of(first)),
            "the inner call is over"
        );
        assert_eq!(time_if_sampled(), Some(Moment::of(first)));
    });
}

//
#[test]
fn only_the_question_of_this_name_is_answered() {
    for (name, is_answered) in [(EXEMPLAR_QUESTION, true), ("another question", false)] {
        let question: ExemplarQuestion = (name, OnceLock::new());
        let context = Context::new().with_value(question);
        let _guard = context.clone().attach();
        answer(ExemplarFilter::AlwaysOn);
        let (_, answer) = context.get::<ExemplarQuestion>().unwrap();
        assert_eq!(
            answer.get().map(|(_, is_always_on)| *is_always_on),
            is_answered.then_some(true)
        );
    }
}

/// Measures when its thread ends.
struct MeasuresAtTheEnd(Sender<Option<Option<SpanIds>>>);

impl Drop for MeasuresAtTheEnd {
    fn drop(&mut self) {
        // A panic that leaves a destructor ends the process.
        let measured = catch_unwind(|| {
            answer(ExemplarFilter::AlwaysOn);
            ids(ExemplarFilter::AlwaysOn)
        });
        self.0.send(measured.ok()).expect("the test waits");
    }
}

// a thread drops the context of OpenTelemetry before what it has created earlier.
#[test]
fn a_measurement_of_a_thread_that_ends_is_outside_of_any_span() {
    thread_local!(static END: RefCell<Option<MeasuresAtTheEnd>> = const { RefCell::new(None) });
    for has_measured in [true, false] {
        let (send, measured) = mpsc::channel();
        let thread = thread::spawn(move || {
            END.with(|end| *end.borrow_mut() = Some(MeasuresAtTheEnd(send)));
            // Now there is a context.
            let _guard = context(TraceFlags::SAMPLED).attach();
            has_measured.then(|| ids(ExemplarFilter::TraceBased)).flatten()
        });
        assert_eq!(thread.join().expect("no panic"), has_measured.then(sampled_ids));
        let measured = measured.recv().expect("it is dropped");
        assert_eq!(measured, Some(Some(SpanIds::default())), "has measured: {has_measured}");
    }
}
