//! Calls functions of the application, whose panics must not fail a request.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `function`; `None` if it panics.
///
/// The panic hook has reported the panic. The request continues: a function that only selects a label must not fail the request.
#[inline]
pub(crate) fn catch_panic<T>(function: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(function)).map_err(drop_payload).ok()
}

/// Drops the payload of a panic. If this panics too, the second payload is leaked.
#[cold]
fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(payload);
    }
}
