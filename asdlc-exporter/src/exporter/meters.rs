//! Meters whose callbacks may panic.
//!
//! The SDK runs the callbacks of observable instruments under its locks: a panic there would poison
//! them, and with them every later collection. Here it ends in the callback.

use crate::survive::survive;
use opentelemetry::{
    InstrumentationScope,
    metrics::{
        AsyncInstrument, AsyncInstrumentBuilder, Callback, Counter, Gauge, Histogram,
        HistogramBuilder, InstrumentBuilder, InstrumentProvider, Meter, MeterProvider,
        ObservableCounter, ObservableGauge, ObservableUpDownCounter, UpDownCounter,
    },
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// The meters of an exporter, for scopes of their own.
///
/// ```
/// use asdlc_exporter::Exporter;
/// use opentelemetry::metrics::MeterProvider;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").build()?;
/// let meter = exporter.meters().meter("database");
/// meter.u64_observable_gauge("broken").with_callback(|_| panic!("no database")).build();
/// meter.u64_counter("queries").build().add(1, &[]);
/// # std::panic::set_hook(Box::new(|_| {}));
///
/// assert!(exporter.render()?.contains("queries_total{service=\"shop\"} 1\n"));
/// # Ok(()) }
/// ```
///
/// A callback that panics costs what it has not observed yet, in this collection; the log says so
/// once. A meter taken from
/// [`Exporter::meter_provider`](crate::Exporter::meter_provider) itself has no such protection: a
/// panic there is the end of all metrics.
#[derive(Clone, Debug)]
pub struct Meters {
    provider: SdkMeterProvider,
    panics: Panics,
}

/// How often callbacks panicked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Panics(Arc<AtomicU64>);

impl Meters {
    pub(crate) fn new(provider: SdkMeterProvider, panics: Panics) -> Self {
        Self { provider, panics }
    }
}

impl Panics {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl MeterProvider for Meters {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        let meter = self.provider.meter_with_scope(scope);
        Meter::new(Arc::new(Guarded { meter, panics: self.panics.clone() }))
    }
}

/// Creates the instruments of another meter.
struct Guarded {
    meter: Meter,
    panics: Panics,
}

impl Guarded {
    fn guard<T: 'static>(&self, name: &str, callback: Callback<T>) -> Callback<T> {
        let (name, panics) = (name.to_owned(), self.panics.clone());
        let is_known = AtomicBool::new(false);
        Box::new(move |observer: &dyn AsyncInstrument<T>| {
            if survive(|| callback(observer)).is_none() {
                panics.0.fetch_add(1, Ordering::Relaxed);
                if !is_known.swap(true, Ordering::Relaxed) {
                    // The SDK's locks are held: a subscriber must not poison them either.
                    let _ = survive(|| {
                        tracing::warn!("the callback of `{name}` panicked: its values are missing");
                    });
                }
            }
        })
    }
}

macro_rules! recorded {
    ($($method:ident: $instrument:ty),* $(,)?) => {$(
        fn $method(&self, builder: InstrumentBuilder<'_, $instrument>) -> $instrument {
            let mut inner = self.meter.$method(builder.name);
            inner.description = builder.description;
            inner.unit = builder.unit;
            inner.build()
        }
    )*};
}

macro_rules! recorded_in_buckets {
    ($($method:ident: $instrument:ty),* $(,)?) => {$(
        fn $method(&self, builder: HistogramBuilder<'_, $instrument>) -> $instrument {
            let mut inner = self.meter.$method(builder.name);
            inner.description = builder.description;
            inner.unit = builder.unit;
            inner.boundaries = builder.boundaries;
            inner.build()
        }
    )*};
}

macro_rules! observed {
    ($($method:ident: $instrument:ty, $number:ty);* $(;)?) => {$(
        fn $method(
            &self,
            builder: AsyncInstrumentBuilder<'_, $instrument, $number>,
        ) -> $instrument {
            let guard = |callback| self.guard(&builder.name, callback);
            let callbacks = builder.callbacks.into_iter().map(guard).collect();
            let mut inner = self.meter.$method(builder.name);
            inner.description = builder.description;
            inner.unit = builder.unit;
            inner.callbacks = callbacks;
            inner.build()
        }
    )*};
}

impl InstrumentProvider for Guarded {
    recorded! {
        u64_counter: Counter<u64>,
        f64_counter: Counter<f64>,
        i64_up_down_counter: UpDownCounter<i64>,
        f64_up_down_counter: UpDownCounter<f64>,
        u64_gauge: Gauge<u64>,
        f64_gauge: Gauge<f64>,
        i64_gauge: Gauge<i64>,
    }

    recorded_in_buckets! {
        f64_histogram: Histogram<f64>,
        u64_histogram: Histogram<u64>,
    }

    observed! {
        u64_observable_counter: ObservableCounter<u64>, u64;
        f64_observable_counter: ObservableCounter<f64>, f64;
        i64_observable_up_down_counter: ObservableUpDownCounter<i64>, i64;
        f64_observable_up_down_counter: ObservableUpDownCounter<f64>, f64;
        u64_observable_gauge: ObservableGauge<u64>, u64;
        i64_observable_gauge: ObservableGauge<i64>, i64;
        f64_observable_gauge: ObservableGauge<f64>, f64;
    }
}
