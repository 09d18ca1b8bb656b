//! How a service gets at its lanes.

use crate::record::shard::Lanes;
use crate::record::thread_index as threads;
use std::fmt;
use std::iter;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, Weak};

/// The lanes, behind a reference count of each thread's own.
///
/// Routers clone a service for each request. Were there one count for all threads, each would wait for the others twice a
/// request.
#[repr(align(128))]
pub(crate) struct Handle {
    lanes: Arc<Lanes>,
    /// Those of all threads. Weak, for else they would keep each other for ever.
    all: OnceLock<Arc<[Weak<Self>]>>,
}

impl Handle {
    /// That of this thread, as long as somebody has the [`Handles`]; then itself.
    #[inline]
    pub(crate) fn here(self: &Arc<Self>) -> Arc<Self> {
        let here = self.all.get().and_then(|all| all[threads::number() % all.len()].upgrade());
        here.unwrap_or_else(|| Arc::clone(self))
    }
}

impl Deref for Handle {
    type Target = Lanes;

    #[inline]
    fn deref(&self) -> &Lanes {
        &self.lanes
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lanes.fmt(f)
    }
}

/// One for each thread.
#[derive(Clone)]
pub(crate) struct Handles(Arc<[Arc<Handle>]>);

impl Handles {
    pub(crate) fn new(lanes: &Arc<Lanes>) -> Self {
        let handle = || Handle { lanes: Arc::clone(lanes), all: OnceLock::new() };
        let handles = iter::repeat_with(handle).map(Arc::new).take(threads::count());
        let handles: Arc<[_]> = handles.collect();
        let all: Arc<[_]> = handles.iter().map(Arc::downgrade).collect();
        handles.iter().for_each(|handle| _ = handle.all.set(Arc::clone(&all)));
        Self(handles)
    }

    /// For who comes by now and then, and should not take one of the low [numbers](threads::number) from those that serve.
    pub(crate) fn any(&self) -> &Arc<Handle> {
        &self.0[0]
    }

    pub(crate) fn here(&self) -> &Arc<Handle> {
        &self.0[threads::number() % self.0.len()]
    }
}

/// Once what each handle has.
impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fixed, HttpMetricsLayer};
    use opentelemetry::metrics::{MeterProvider, noop::NoopMeterProvider};
    use std::sync::Barrier;
    use std::thread;
    use tower_layer::Layer;

    #[test]
    fn a_clone_counts_its_reference_with_its_own_thread() {
        const THREADS: usize = 8;
        let layer = HttpMetricsLayer::builder(Fixed("/x"))
            .build(&NoopMeterProvider::new().meter("test"))
            .unwrap();
        let service = layer.layer(());
        let barrier = Barrier::new(THREADS);
        let is_elsewhere = || {
            let clone = service.clone();
            // So that all live at once.
            barrier.wait();
            assert!(Arc::ptr_eq(clone.handle(), layer.layer(()).handle()));
            !Arc::ptr_eq(clone.handle(), service.handle())
        };
        let are_elsewhere = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(is_elsewhere)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(are_elsewhere.contains(&true));
    }

    #[test]
    fn what_debug_says_is_short_whatever_the_threads_and_series() {
        let layer = HttpMetricsLayer::builder(Fixed("/x"))
            .build(&NoopMeterProvider::new().meter("test"))
            .unwrap();
        for text in [format!("{layer:?}"), format!("{:?}", layer.layer(()))] {
            assert_eq!(text.matches("Settings").count(), 1, "{text}");
            assert!(text.len() < 1_000, "{text}");
        }
    }
}
