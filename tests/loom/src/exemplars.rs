//! The exporter's reservoir of exemplars, with loom's atomic variables.

#[path = "../../../asdlc-exporter/src/exemplars/buckets.rs"]
#[expect(dead_code, reason = "the models set no boundaries")]
pub(crate) mod buckets;
#[path = "../../../asdlc-exporter/src/exemplars/exemplar.rs"]
#[expect(dead_code, reason = "the models need not ask")]
mod exemplar;
#[path = "../../../asdlc-exporter/src/exemplars/moment.rs"]
#[expect(dead_code, reason = "the models read no clock")]
mod moment;
#[path = "../../../asdlc-exporter/src/exemplars/reservoir.rs"]
#[expect(dead_code, reason = "the models need not ask")]
pub(crate) mod reservoir;
#[path = "../../../asdlc-exporter/src/exemplars/slot.rs"]
mod slot;
mod sync {
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use loom::thread::yield_now;

    /// Loom has none. The other threads see what was set as after an acquiring load.
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        is_set: loom::sync::atomic::AtomicBool,
        setting: loom::sync::Mutex<()>,
        value: std::sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self {
                is_set: loom::sync::atomic::AtomicBool::new(false),
                setting: loom::sync::Mutex::new(()),
                value: std::sync::OnceLock::new(),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.is_set.load(Ordering::Acquire).then(|| self.value.get()).flatten()
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            let _setting = self.setting.lock().expect("no panic while it is held");
            self.value.set(value)?;
            self.is_set.store(true, Ordering::Release);
            Ok(())
        }
    }
}

pub(crate) use exemplar::{Exemplar, SpanIds};
pub(crate) use moment::Moment;
