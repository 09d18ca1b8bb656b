//! Functions of the user's, which must not fail a request.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the function returns; `None` if it panics.
///
/// The panic hook has reported it. The request goes on: what only names its series must not turn its answer into an error.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).map_err(forget).ok()
}

/// Dropping what a panic carries may panic, too.
#[cold]
fn forget(payload: Box<dyn std::any::Any + Send>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(payload);
    }
}
