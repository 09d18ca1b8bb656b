//! How many requests are in flight: as many as hold a reference. Each has to hold one anyway, so that counting them costs a
//! request nothing.

use crate::endpoint::RequestHead;
use crate::instruments::{self, UpDownCounterSeries};
use crate::labels::MethodId;
use crate::recorder::Recorder;
use opentelemetry::metrics::Meter;
use std::sync::{Arc, Mutex, PoisonError};

/// A recorder, entered through the lane of a request's method.
#[derive(Debug)]
pub(crate) struct Lanes {
    recorder: Arc<Recorder>,
    lanes: Box<[Arc<Lane>]>,
}

/// What a request in flight holds on to: its method and, through it, the recorder.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) method: MethodId,
    /// What the gauge was told.
    told: Mutex<i64>,
}

impl Lanes {
    pub(crate) fn new(recorder: Recorder) -> Self {
        let recorder = Arc::new(recorder);
        let lane = |method| {
            let recorder = Arc::clone(&recorder);
            Arc::new(Lane { recorder, method, told: Mutex::new(0) })
        };
        let lanes = recorder.methods().ids().map(lane).collect();
        Self { recorder, lanes }
    }

    pub(crate) fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// `Some` always: there is a lane for each method.
    #[inline]
    pub(crate) fn enter(&self, head: RequestHead<'_>) -> Option<Arc<Lane>> {
        self.lanes.get(self.recorder.methods().id(head.method).index()).cloned()
    }

    /// Tells the gauge, before each collection, what has changed.
    ///
    /// Not by observing: where layers share a meter, the value of one observer would replace that of another. What is
    /// *added* to a counter adds up.
    pub(crate) fn observe(self: &Arc<Self>, meter: &Meter) {
        let lanes = Arc::clone(self);
        instruments::before_collection(meter, move || lanes.lanes.iter().for_each(Lane::tell));
    }
}

impl Lane {
    fn tell(self: &Arc<Self>) {
        if let Some(gauge) = self.recorder.in_flight(self.method) {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            // One reference is that of the lanes.
            let now = Arc::strong_count(self) as i64 - 1;
            UpDownCounterSeries::add(gauge, now - *told);
            *told = now;
        }
    }
}
