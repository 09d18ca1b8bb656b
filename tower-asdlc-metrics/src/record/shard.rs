//! How many requests are in flight: as many as hold a reference. Each has to hold one anyway, so that counting them costs a
//! request nothing.

use crate::labels::endpoint::RequestHead;
use crate::labels::methods::MethodId;
use crate::record::recorder::Recorder;
use crate::record::thread_index as threads;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A recorder, entered through the lane of a request's method and thread.
pub(crate) struct Lanes {
    recorder: Arc<Recorder>,
    /// Those of a method side by side, one for each of `threads`, which is a power of two.
    lanes: Box<[Arc<Lane>]>,
    threads: usize,
    /// For each method, what the gauge was told.
    told: Mutex<Box<[i64]>>,
}

/// What a request in flight holds on to.
///
/// Two threads that count references in one place wait for each other longer than all the rest of a request takes: each
/// has lanes of its own, in cache lines of their own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Lane {
    pub(crate) recorder: Arc<Recorder>,
}

impl Lanes {
    pub(crate) fn new(recorder: Recorder) -> Self {
        let recorder = Arc::new(recorder);
        let threads = threads::count();
        let methods = recorder.methods().count();
        let lane = |_| Arc::new(Lane { recorder: Arc::clone(&recorder) });
        let lanes = (0..methods * threads).map(lane).collect();
        let told = Mutex::new(vec![0; methods].into());
        Self { recorder, lanes, threads, told }
    }

    pub(crate) fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// `Some` always: there is a lane for each method and thread.
    #[inline]
    pub(crate) fn enter(&self, method: MethodId) -> Option<Arc<Lane>> {
        let thread = threads::number() & (self.threads - 1);
        self.lanes.get(method.index() * self.threads + thread).cloned()
    }

    #[inline]
    pub(crate) fn method(&self, head: RequestHead<'_>) -> MethodId {
        self.recorder.methods().id(head.method)
    }

    /// Before each collection: tells the series what has ended, and the gauge what has changed.
    ///
    /// The gauge not by observing: where layers share a meter, the value of one observer would replace that of another. What is
    /// *added* to a counter adds up.
    pub(crate) fn tell(&self) {
        self.recorder.tell();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let by_method = self.lanes.chunks(self.threads);
        for ((method, lanes), told) in self.recorder.methods().ids().zip(by_method).zip(&mut *told)
        {
            if let Some(gauge) = self.recorder.in_flight(method) {
                // One reference to each lane is ours.
                let now = lanes.iter().map(|lane| Arc::strong_count(lane) as i64 - 1).sum();
                gauge.add(now - *told);
                *told = now;
            }
        }
    }
}

/// Once what each lane has.
impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.recorder.fmt(f)
    }
}
