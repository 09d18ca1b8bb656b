//! A meter provider that records exemplars. It logs each measurement of a counter or a histogram, with the span that the layer
//! says it belongs to.

#[cfg(feature = "bound")]
use opentelemetry::metrics::BoundSyncInstrument;
use opentelemetry::metrics::{
    AsyncInstrument, AsyncInstrumentBuilder, Callback, Counter, Histogram, HistogramBuilder,
    InstrumentBuilder, InstrumentProvider, Meter, MeterProvider, ObservableUpDownCounter,
    SyncInstrument,
};
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use std::cell::Cell;
use std::mem;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

/// What a measurement belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Of {
    /// The layer has not said it: an exporter would take the current span.
    Unsaid,
    /// No span.
    None,
    /// The ids of a span.
    Span(u128, u64),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) instrument: String,
    pub(crate) labels: String,
    pub(crate) value: f64,
    pub(crate) of: Of,
}

/// The provider.
#[derive(Clone, Default)]
pub(crate) struct Exemplars(Arc<State>);

#[derive(Default)]
struct State {
    /// How it answers the layer's question; `None` if it does not.
    answer: Option<Answer>,
    log: Mutex<Vec<Measurement>>,
    callbacks: Mutex<Vec<Callback<i64>>>,
}

#[derive(Clone, Copy)]
struct Answer {
    keeps_unsampled: bool,
    is_logged: bool,
    /// Whether a bound instrument has a sink for exemplars, by its name.
    #[cfg_attr(not(feature = "bound"), expect(dead_code, reason = "only for bound instruments"))]
    has_sink: fn(&str) -> bool,
}

// These are the types that a layer and an exporter must agree on. Neither exports them.
type MeasureIn = fn(Option<(TraceId, SpanId, Instant)>, &mut dyn FnMut());
type ExemplarQuestion = (&'static str, OnceLock<(MeasureIn, bool)>);
#[cfg(feature = "bound")]
type Sink = Arc<dyn Fn(f64, TraceId, SpanId, Instant) + Send + Sync>;
#[cfg(feature = "bound")]
type SinkQuestion = (&'static str, Mutex<Option<Sink>>);

impl Exemplars {
    /// The filter `trace_based`.
    pub(crate) fn of_sampled() -> Self {
        Self::new(Some(Answer { keeps_unsampled: false, is_logged: true, has_sink: |_| false }))
    }

    /// The filter `always_on`.
    pub(crate) fn of_all() -> Self {
        Self::new(Some(Answer { keeps_unsampled: true, is_logged: true, has_sink: |_| false }))
    }

    /// The filter `trace_based`. It logs nothing, and so allocates nothing.
    pub(crate) fn silent() -> Self {
        Self::new(Some(Answer { keeps_unsampled: false, is_logged: false, has_sink: |_| false }))
    }

    /// The filter `trace_based`, with a sink for the exemplars of each bound instrument that this function names. An exemplar in
    /// a sink is logged as that of `sink of` the instrument.
    #[cfg(feature = "bound")]
    pub(crate) fn with_sinks(has_sink: fn(&str) -> bool) -> Self {
        Self::new(Some(Answer { keeps_unsampled: false, is_logged: true, has_sink }))
    }

    /// It records no exemplars, and does not know the question.
    pub(crate) fn off() -> Self {
        Self::new(None)
    }

    fn new(answer: Option<Answer>) -> Self {
        Self(Arc::new(State { answer, ..State::default() }))
    }

    /// Runs the callbacks, as a collection does.
    pub(crate) fn collect(&self) {
        struct Nothing;
        impl AsyncInstrument<i64> for Nothing {
            fn observe(&self, _: i64, _: &[KeyValue]) {}
        }
        self.0.callbacks.lock().unwrap().iter().for_each(|callback| callback(&Nothing));
    }

    /// Returns all measurements since the last call, after a collection.
    pub(crate) fn take(&self) -> Vec<Measurement> {
        self.collect();
        mem::take(&mut self.0.log.lock().unwrap())
    }

    /// Returns what the measurements of each instrument belong to, in order.
    pub(crate) fn take_spans(&self) -> Vec<(String, Of)> {
        let mut spans: Vec<_> =
            self.take().into_iter().map(|made| (made.instrument, made.of)).collect();
        spans.sort();
        spans
    }
}

impl MeterProvider for Exemplars {
    fn meter_with_scope(&self, _: InstrumentationScope) -> Meter {
        Meter::new(Arc::new(self.clone()))
    }
}

impl InstrumentProvider for Exemplars {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        Counter::new(Arc::new(self.instrument(&builder.name)))
    }

    fn f64_histogram(&self, builder: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        Histogram::new(Arc::new(self.instrument(&builder.name)))
    }

    fn i64_observable_up_down_counter(
        &self,
        builder: AsyncInstrumentBuilder<'_, ObservableUpDownCounter<i64>, i64>,
    ) -> ObservableUpDownCounter<i64> {
        self.0.callbacks.lock().unwrap().extend(builder.callbacks);
        ObservableUpDownCounter::new()
    }
}

impl Exemplars {
    /// Answers the question, if there is one.
    fn instrument(&self, name: &str) -> Instrument {
        if let Some(Answer { keeps_unsampled, .. }) = self.0.answer {
            if let Some((question, answer)) = Context::current().get::<ExemplarQuestion>() {
                assert_eq!(*question, "asdlc-metrics: are exemplars recorded?");
                answer.get_or_init(|| (measure_in, keeps_unsampled));
            }
        }
        Instrument { state: Arc::clone(&self.0), name: name.to_owned() }
    }
}

/// Answers the question for a sink, if there is one.
#[cfg(feature = "bound")]
fn answer_sink(instrument: &Instrument, labels: &str) {
    if !instrument.state.answer.is_some_and(|answer| (answer.has_sink)(&instrument.name)) {
        return;
    }
    if let Some((question, answer)) = Context::current().get::<SinkQuestion>() {
        assert_eq!(*question, "asdlc-metrics: what records only the exemplar?");
        let name = format!("sink of {}", instrument.name);
        let sink = Instrument { state: Arc::clone(&instrument.state), name };
        let labels = labels.to_owned();
        *answer.lock().unwrap() = Some(Arc::new(move |value, trace, span, moment| {
            let record = &mut || sink.log(value, || labels.clone());
            measure_in(Some((trace, span, moment)), record);
        }));
    }
}

#[derive(Clone)]
struct Instrument {
    state: Arc<State>,
    name: String,
}

impl Instrument {
    fn log(&self, value: f64, labels: impl FnOnce() -> String) {
        if self.state.answer.is_none_or(|answer| answer.is_logged) {
            let (instrument, labels) = (self.name.clone(), labels());
            let measurement = Measurement { instrument, labels, value, of: CURRENT.get() };
            self.state.log.lock().unwrap().push(measurement);
        }
    }
}

impl SyncInstrument<u64> for Instrument {
    fn measure(&self, value: u64, labels: &[KeyValue]) {
        self.log(value as f64, || text(labels));
    }

    #[cfg(feature = "bound")]
    fn bind(&self, labels: &[KeyValue]) -> Box<dyn BoundSyncInstrument<u64> + Send + Sync> {
        let labels = text(labels);
        answer_sink(self, &labels);
        Box::new(Bound { instrument: self.clone(), labels })
    }
}

impl SyncInstrument<f64> for Instrument {
    fn measure(&self, value: f64, labels: &[KeyValue]) {
        self.log(value, || text(labels));
    }

    #[cfg(feature = "bound")]
    fn bind(&self, labels: &[KeyValue]) -> Box<dyn BoundSyncInstrument<f64> + Send + Sync> {
        let labels = text(labels);
        answer_sink(self, &labels);
        Box::new(Bound { instrument: self.clone(), labels })
    }
}

#[cfg(feature = "bound")]
struct Bound {
    instrument: Instrument,
    labels: String,
}

#[cfg(feature = "bound")]
impl BoundSyncInstrument<u64> for Bound {
    fn measure(&self, value: u64) {
        self.instrument.log(value as f64, || self.labels.clone());
    }
}

#[cfg(feature = "bound")]
impl BoundSyncInstrument<f64> for Bound {
    fn measure(&self, value: f64) {
        self.instrument.log(value, || self.labels.clone());
    }
}

fn text(labels: &[KeyValue]) -> String {
    let labels: Vec<_> =
        labels.iter().map(|label| format!("{}={}", label.key, label.value)).collect();
    labels.join(",")
}

thread_local! {
    static CURRENT: Cell<Of> = const { Cell::new(Of::Unsaid) };
}

fn measure_in(span: Option<(TraceId, SpanId, Instant)>, measure: &mut dyn FnMut()) {
    struct Restore(Of);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let of = span.map_or(Of::None, |(trace, span, moment)| {
        assert!(moment <= Instant::now(), "it has passed");
        Of::Span(u128::from_be_bytes(trace.to_bytes()), u64::from_be_bytes(span.to_bytes()))
    });
    let _restore = Restore(CURRENT.replace(of));
    measure();
}
