use crate::labels::methods::{MethodId, Methods};
use crate::record::instruments::UpDownCounterSeries;
use crate::record::route::get_or_create;
use opentelemetry::KeyValue;
use opentelemetry::metrics::UpDownCounter;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The series of `http_requests_in_flight`, one for each method. The requests themselves are counted by the shards.
///
/// The gauge is an up-down counter, to which differences are added. If several layers share a meter, their values add up. With
/// an observable gauge, the value of one layer would replace that of another.
#[derive(Debug)]
pub(crate) struct InFlightGauge {
    instrument: Option<UpDownCounter<i64>>,
    /// Set by the first request with the method.
    series: Box<[OnceLock<UpDownCounterSeries>]>,
    /// The value that was last reported, for each method.
    reported: Mutex<Box<[i64]>>,
}

impl InFlightGauge {
    pub(crate) fn new(instrument: Option<UpDownCounter<i64>>, methods: usize) -> Self {
        Self {
            instrument,
            series: (0..methods).map(|_| OnceLock::new()).collect(),
            reported: Mutex::new(vec![0; methods].into()),
        }
    }

    /// Creates the series of a method, so that it is exported from now on.
    pub(crate) fn preinitialize(&self, methods: &Methods, method: MethodId) {
        if let (Some(instrument), Some(series)) =
            (&self.instrument, self.series.get(method.index()))
        {
            get_or_create(series, || {
                let label = KeyValue::new("method", methods.name(method).to_owned());
                UpDownCounterSeries::new(instrument, &[label])
            });
        }
    }

    /// Adds the change since the last report to each series. `count` returns how many requests are in flight.
    pub(crate) fn report(&self, methods: &Methods, count: impl Fn(MethodId) -> i64) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        for (method, reported) in methods.ids().zip(&mut *reported) {
            if let Some(series) = self.series(method) {
                let count = count(method);
                series.add(count - *reported);
                *reported = count;
            }
        }
    }

    /// Adds a change to the series of a method at once. Used if no callback calls [`report`](Self::report) before collections.
    pub(crate) fn add(&self, methods: &Methods, method: MethodId, change: i64) {
        self.preinitialize(methods, method);
        if let Some(series) = self.series(method) {
            series.add(change);
        }
    }

    fn series(&self, method: MethodId) -> Option<&UpDownCounterSeries> {
        self.series.get(method.index())?.get()
    }
}
