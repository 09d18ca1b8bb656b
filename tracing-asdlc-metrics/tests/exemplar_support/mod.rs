//! A meter provider that records exemplars: it answers the question that the layer asks when it creates instruments, and logs to
//! which span each measurement belongs.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]

#[cfg(feature = "bound")]
use opentelemetry::metrics::BoundSyncInstrument;
use opentelemetry::metrics::{
    Counter, Gauge, Histogram, HistogramBuilder, InstrumentBuilder, InstrumentProvider, Meter,
    MeterProvider, SyncInstrument, UpDownCounter,
};
use opentelemetry::trace::{SpanId, TraceContextExt, TraceId};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use std::cell::Cell;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;
use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};

/// A trace id and a span id.
pub(crate) type Ids = (TraceId, SpanId);

/// What a measurement belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// To what the layer has said: a span, or none.
    Said(Option<Ids>),
    /// The layer has not said anything, so it is the current context, if that is sampled.
    Current(Option<Ids>),
}

#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    pub(crate) kind: Kind,
    pub(crate) instrument: String,
    pub(crate) value: f64,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Histogram,
    /// A gauge or an up-down counter, which has no exemplars.
    Other,
}

/// A meter provider. It answers that it records exemplars (`Some(true)`: also those outside of sampled spans), or nothing.
#[derive(Clone, Debug)]
pub(crate) struct ExemplarMeters {
    answer: Option<bool>,
    is_silent: bool,
    log: Log,
}

type Log = Arc<Mutex<Vec<Measurement>>>;

impl ExemplarMeters {
    pub(crate) fn new(answer: Option<bool>) -> Self {
        Self { answer, is_silent: false, log: Arc::default() }
    }

    /// Logs nothing, so that nothing is allocated.
    pub(crate) fn silent(mut self) -> Self {
        self.is_silent = true;
        self
    }

    /// As the default of the filters: only measurements in sampled spans become exemplars.
    pub(crate) fn trace_based() -> Self {
        Self::new(Some(false))
    }

    pub(crate) fn layer(&self, rules: impl IntoIterator<Item = Rule>) -> SpanMetricsLayer {
        SpanMetricsLayer::new(self, rules).expect("valid rules")
    }

    /// Removes and returns all measurements so far.
    pub(crate) fn take(&self) -> Vec<Measurement> {
        std::mem::take(&mut *self.log.lock().expect("no panic"))
    }

    /// As [`take`](Self::take), without the zeros that make series known.
    pub(crate) fn measured(&self) -> Vec<Measurement> {
        let is_zero = |it: &Measurement| it.kind != Kind::Histogram && it.value == 0.0;
        self.take().into_iter().filter(|it| !is_zero(it)).collect()
    }

    /// Removes all measurements so far, and returns what those of one instrument belong to.
    pub(crate) fn places(&self, instrument: &str) -> Vec<Place> {
        let wanted = self.measured().into_iter().filter(|it| it.instrument == instrument);
        wanted.map(|measurement| measurement.place).collect()
    }
}

impl MeterProvider for ExemplarMeters {
    fn meter_with_scope(&self, _: InstrumentationScope) -> Meter {
        Meter::new(Arc::new(self.clone()))
    }
}

impl ExemplarMeters {
    fn instrument(&self, kind: Kind, name: &str) -> Arc<Instrument> {
        let context = Context::current();
        let question = context.get::<ExemplarQuestion>().filter(|_| kind != Kind::Other);
        if let (Some((EXEMPLAR_QUESTION, question)), Some(outside)) = (question, self.answer) {
            question.get_or_init(|| (measure_in, outside));
        }
        let (is_silent, log) = (self.is_silent, Arc::clone(&self.log));
        Arc::new(Instrument { kind, name: name.to_owned(), is_silent, log })
    }
}

impl InstrumentProvider for ExemplarMeters {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        Counter::new(self.instrument(Kind::Counter, &builder.name))
    }

    fn f64_counter(&self, builder: InstrumentBuilder<'_, Counter<f64>>) -> Counter<f64> {
        Counter::new(self.instrument(Kind::Counter, &builder.name))
    }

    fn f64_histogram(&self, builder: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        Histogram::new(self.instrument(Kind::Histogram, &builder.name))
    }

    fn i64_up_down_counter(
        &self,
        builder: InstrumentBuilder<'_, UpDownCounter<i64>>,
    ) -> UpDownCounter<i64> {
        UpDownCounter::new(self.instrument(Kind::Other, &builder.name))
    }

    fn f64_up_down_counter(
        &self,
        builder: InstrumentBuilder<'_, UpDownCounter<f64>>,
    ) -> UpDownCounter<f64> {
        UpDownCounter::new(self.instrument(Kind::Other, &builder.name))
    }

    fn f64_gauge(&self, builder: InstrumentBuilder<'_, Gauge<f64>>) -> Gauge<f64> {
        Gauge::new(self.instrument(Kind::Other, &builder.name))
    }
}

#[derive(Clone)]
struct Instrument {
    kind: Kind,
    name: String,
    is_silent: bool,
    log: Log,
}

impl Instrument {
    fn log(&self, value: f64, attributes: &[KeyValue]) {
        if self.is_silent {
            return;
        }
        let current = || {
            Context::map_current(|context| {
                let span = context.span().span_context().clone();
                span.is_sampled().then(|| (span.trace_id(), span.span_id()))
            })
        };
        let place = SAID.get().map_or_else(|| Place::Current(current()), Place::Said);
        let (instrument, attributes) = (self.name.clone(), attributes.to_vec());
        let measurement = Measurement { kind: self.kind, instrument, value, attributes, place };
        self.log.lock().expect("no panic").push(measurement);
    }
}

macro_rules! measures {
    ($($number:ty),*) => { $(
        impl SyncInstrument<$number> for Instrument {
            fn measure(&self, value: $number, attributes: &[KeyValue]) {
                self.log(value as f64, attributes);
            }

            #[cfg(feature = "bound")]
            fn bind(
                &self,
                attributes: &[KeyValue],
            ) -> Box<dyn BoundSyncInstrument<$number> + Send + Sync> {
                Box::new(Bound { instrument: self.clone(), attributes: attributes.to_vec() })
            }
        }

        #[cfg(feature = "bound")]
        impl BoundSyncInstrument<$number> for Bound {
            fn measure(&self, value: $number) {
                self.instrument.log(value as f64, &self.attributes);
            }
        }
    )* };
}

measures!(u64, i64, f64);

struct Bound {
    instrument: Instrument,
    attributes: Vec<KeyValue>,
}

thread_local! {
    /// What the layer has said about the measurements of this thread, if it has said anything.
    static SAID: Cell<Option<Option<Ids>>> = const { Cell::new(None) };
}

fn measure_in(span: Option<(TraceId, SpanId, Instant)>, measure: &mut dyn FnMut()) {
    struct Reset(Option<Option<Ids>>);
    impl Drop for Reset {
        fn drop(&mut self) {
            SAID.set(self.0);
        }
    }
    let ids = span.map(|(trace, span, moment)| {
        assert!(moment <= Instant::now(), "it has passed");
        (trace, span)
    });
    let _reset = Reset(SAID.replace(Some(ids)));
    measure();
}

type MeasureIn = fn(Option<(TraceId, SpanId, Instant)>, &mut dyn FnMut());
type ExemplarQuestion = (&'static str, OnceLock<(MeasureIn, bool)>);
const EXEMPLAR_QUESTION: &str = "asdlc-metrics: are exemplars recorded?";
