//! A meter provider that catches the panics of callbacks, and whose counters and histograms can record exemplars.
//!
//! The SDK holds locks while it runs the callbacks of observable instruments. A panic that leaves a
//! callback would poison the locks, and no metrics could be collected any more. So each callback is wrapped.

mod exemplified;

use crate::{catch_panic::catch_panic, exemplars::store::ExemplarStore};
use opentelemetry::{
    InstrumentationScope,
    metrics::{
        AsyncInstrument, AsyncInstrumentBuilder, Callback, Counter, Gauge, Histogram,
        HistogramBuilder, InstrumentBuilder, InstrumentProvider, Meter, MeterProvider,
        ObservableCounter, ObservableGauge, ObservableUpDownCounter, UpDownCounter,
    },
};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// A meter provider that guards the callbacks of another one. It is also the meter provider of an
/// [`Exporter`](crate::Exporter).
///
/// ```
/// use asdlc_exporter::{GuardedMeterProvider, PrometheusReader};
/// use opentelemetry::{global, metrics::MeterProvider as _};
/// use opentelemetry_sdk::metrics::SdkMeterProvider;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let prometheus = PrometheusReader::builder().build()?;
/// let provider = SdkMeterProvider::builder().with_reader(prometheus.clone()).build();
/// global::set_meter_provider(GuardedMeterProvider::new(provider.clone()));
///
/// let meter = global::meter("database");
/// meter.u64_observable_gauge("broken").with_callback(|_| panic!("no database")).build();
/// meter.u64_counter("queries").build().add(1, &[]);
/// # std::panic::set_hook(Box::new(|_| {}));
/// assert!(prometheus.render()?.contains("# TYPE queries_total counter\n"));
/// # Ok(()) }
/// ```
///
/// It creates instruments with the inner provider and guards their callbacks. If a callback panics,
/// the values that it has not observed yet are missing in this collection, and the first panic of each
/// callback is logged. Without the guard, the panic would poison the locks of the SDK: no reader of the
/// provider could collect any more. Instruments that are not observable have no callbacks and are the
/// inner provider's own, so recording costs nothing more. Only with
/// [exemplars](crate::ExporterBuilder::with_exemplars), counters and histograms are wrapped.
#[derive(Clone)]
pub struct GuardedMeterProvider {
    inner: Arc<dyn MeterProvider + Send + Sync>,
    panics: CallbackPanics,
    exemplars: Option<Arc<ExemplarStore>>,
}

/// How many callbacks have panicked.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallbackPanics(Arc<AtomicU64>);

impl GuardedMeterProvider {
    /// Guards the meters of this provider. [`PrometheusReader::guard`](crate::PrometheusReader::guard)
    /// also counts the panics.
    #[must_use]
    pub fn new(provider: impl MeterProvider + Send + Sync + 'static) -> Self {
        Self::with(provider, CallbackPanics::default(), None)
    }

    /// Guards the meters of this provider, counts the panics here, and records exemplars there.
    pub(crate) fn with(
        provider: impl MeterProvider + Send + Sync + 'static,
        panics: CallbackPanics,
        exemplars: Option<Arc<ExemplarStore>>,
    ) -> Self {
        Self { inner: Arc::new(provider), panics, exemplars }
    }
}

impl CallbackPanics {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl MeterProvider for GuardedMeterProvider {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        let Self { inner, panics, exemplars } = self;
        let (panics, exemplars) = (panics.clone(), exemplars.clone());
        let meter = inner.meter_with_scope(scope.clone());
        Meter::new(Arc::new(GuardedMeter { meter, scope, panics, exemplars }))
    }
}

impl fmt::Debug for GuardedMeterProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedMeterProvider").field("panics", &self.panics).finish_non_exhaustive()
    }
}

/// Creates instruments with the inner meter, and wraps their callbacks.
struct GuardedMeter {
    meter: Meter,
    scope: InstrumentationScope,
    panics: CallbackPanics,
    exemplars: Option<Arc<ExemplarStore>>,
}

impl GuardedMeter {
    fn guard<T: 'static>(&self, name: &str, callback: Callback<T>) -> Callback<T> {
        let (name, panics) = (name.to_owned(), self.panics.clone());
        let is_logged = AtomicBool::new(false);
        Box::new(move |observer: &dyn AsyncInstrument<T>| {
            if catch_panic(|| callback(observer)).is_none() {
                panics.0.fetch_add(1, Ordering::Relaxed);
                if !is_logged.swap(true, Ordering::Relaxed) {
                    // The SDK holds its locks: a panic of the log subscriber must not poison them.
                    let _ = catch_panic(|| {
                        tracing::warn!("the callback of `{name}` panicked: its values are missing");
                    });
                }
            }
        })
    }
}

macro_rules! counters {
    ($($method:ident: $instrument:ty),* $(,)?) => {$(
        fn $method(&self, builder: InstrumentBuilder<'_, $instrument>) -> $instrument {
            let mut sdk = self.meter.$method(builder.name.clone());
            sdk.description = builder.description;
            sdk.unit = builder.unit;
            match &self.exemplars {
                Some(store) => exemplified::counter(store, &self.scope, &builder.name, sdk.build()),
                None => sdk.build(),
            }
        }
    )*};
}

macro_rules! synchronous {
    ($($method:ident: $instrument:ty),* $(,)?) => {$(
        fn $method(&self, builder: InstrumentBuilder<'_, $instrument>) -> $instrument {
            let mut sdk = self.meter.$method(builder.name);
            sdk.description = builder.description;
            sdk.unit = builder.unit;
            sdk.build()
        }
    )*};
}

macro_rules! histograms {
    ($($method:ident: $instrument:ty),* $(,)?) => {$(
        fn $method(&self, builder: HistogramBuilder<'_, $instrument>) -> $instrument {
            let mut sdk = self.meter.$method(builder.name.clone());
            sdk.description = builder.description;
            sdk.unit = builder.unit;
            sdk.boundaries = builder.boundaries;
            match &self.exemplars {
                Some(store) => {
                    exemplified::histogram(store, &self.scope, &builder.name, sdk.build())
                }
                None => sdk.build(),
            }
        }
    )*};
}

macro_rules! observable {
    ($($method:ident: $instrument:ty, $number:ty);* $(;)?) => {$(
        fn $method(
            &self,
            builder: AsyncInstrumentBuilder<'_, $instrument, $number>,
        ) -> $instrument {
            let guard = |callback| self.guard(&builder.name, callback);
            let callbacks = builder.callbacks.into_iter().map(guard).collect();
            let mut sdk = self.meter.$method(builder.name);
            sdk.description = builder.description;
            sdk.unit = builder.unit;
            sdk.callbacks = callbacks;
            sdk.build()
        }
    )*};
}

impl InstrumentProvider for GuardedMeter {
    counters! {
        u64_counter: Counter<u64>,
        f64_counter: Counter<f64>,
    }

    synchronous! {
        i64_up_down_counter: UpDownCounter<i64>,
        f64_up_down_counter: UpDownCounter<f64>,
        u64_gauge: Gauge<u64>,
        f64_gauge: Gauge<f64>,
        i64_gauge: Gauge<i64>,
    }

    histograms! {
        f64_histogram: Histogram<f64>,
        u64_histogram: Histogram<u64>,
    }

    observable! {
        u64_observable_counter: ObservableCounter<u64>, u64;
        f64_observable_counter: ObservableCounter<f64>, f64;
        i64_observable_up_down_counter: ObservableUpDownCounter<i64>, i64;
        f64_observable_up_down_counter: ObservableUpDownCounter<f64>, f64;
        u64_observable_gauge: ObservableGauge<u64>, u64;
        i64_observable_gauge: ObservableGauge<i64>, i64;
        f64_observable_gauge: ObservableGauge<f64>, f64;
    }
}
