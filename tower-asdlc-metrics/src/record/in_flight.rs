use crate::labels::methods::MethodId;
use crate::record::instruments::UpDownCounterSeries;
use crate::record::route::get_or_create;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The series of the requests in flight. The requests themselves are counted by the shards, each in a slot.
///
/// The gauge is an up-down counter, to which differences are added. If several layers share a meter, their values add up. With
/// an observable gauge, the value of one layer would replace that of another.
#[derive(Debug)]
pub(crate) struct InFlightGauge {
    /// Set by the first request of the slot, one series for each convention.
    series: Box<[OnceLock<InFlightSeries>]>,
    /// The value that was last reported, for each slot.
    reported: Mutex<Box<[i64]>>,
}

/// Requests with the same method, scheme and host are counted in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InFlightSlot(pub(crate) u16);

impl InFlightSlot {
    /// The slot of a method, if requests have neither a scheme nor a host.
    #[inline(always)]
    pub(crate) fn of(method: MethodId) -> Self {
        Self(u16::from(method.0))
    }
}

type InFlightSeries = [Option<UpDownCounterSeries>; 2];

impl InFlightGauge {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            series: (0..slots).map(|_| OnceLock::new()).collect(),
            reported: Mutex::new(vec![0; slots].into()),
        }
    }

    /// Creates the series of a slot, so that they are exported from now on.
    pub(crate) fn preinitialize(
        &self,
        slot: InFlightSlot,
        create: impl FnOnce() -> InFlightSeries,
    ) {
        if let Some(series) = self.series.get(usize::from(slot.0)) {
            get_or_create(series, create);
        }
    }

    /// Adds the change since the last report to each series. `count` returns how many requests are in flight.
    pub(crate) fn report(&self, count: impl Fn(InFlightSlot) -> i64) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        for ((slot, series), reported) in (0..).zip(&self.series).zip(&mut *reported) {
            if let Some(series) = series.get() {
                let count = count(InFlightSlot(slot));
                add(series, count - *reported);
                *reported = count;
            }
        }
    }

    /// Adds a change to the series of a slot at once. Used if no callback calls [`report`](Self::report) before collections.
    pub(crate) fn add(&self, slot: InFlightSlot, change: i64) {
        if let Some(series) = self.series.get(usize::from(slot.0)).and_then(OnceLock::get) {
            add(series, change);
        }
    }
}

fn add(series: &InFlightSeries, change: i64) {
    series.iter().flatten().for_each(|series| series.add(change));
}
