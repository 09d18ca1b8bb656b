//! The exporter's reservoir of exemplars, with loom's lock.

#[path = "../../../asdlc-exporter/src/exemplars/exemplar.rs"]
#[expect(dead_code, reason = "the models need not ask")]
mod exemplar;
#[path = "../../../asdlc-exporter/src/exemplars/reservoir.rs"]
#[expect(dead_code, reason = "the models have no boundaries")]
pub(crate) mod reservoir;
mod sync {
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("no panic while it is held")
    }
}

pub(crate) use exemplar::{Exemplar, Recorded, SpanIds};
