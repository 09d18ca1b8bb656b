//! Runs user code that may panic: wakers, callbacks, collectors, log subscribers, `Drop` impls.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs user code. Returns `None` if it panics, even if the drop of the panic payload panics too.
///
/// Do not hold one of this crate's locks during the call: the code may block, and may call back into
/// this crate.
pub(crate) fn catch_panic<T>(run: impl FnOnce() -> T) -> Option<T> {
    let payload = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => return Some(value),
        Err(payload) => payload,
    };
    if let Err(second_payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // The drop of this payload may panic too, and so on. So this payload is leaked.
        mem::forget(second_payload);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::catch_panic;
    use std::panic::panic_any;

    // F-18
    #[test]
    fn a_payload_that_panics_when_dropped_is_caught() {
        struct PanicsWhenDropped(u32);
        impl Drop for PanicsWhenDropped {
            fn drop(&mut self) {
                panic_any(PanicsWhenDropped(self.0 + 1));
            }
        }
        assert_eq!(catch_panic(|| 7), Some(7));
        assert_eq!(catch_panic(|| panic!("once")), None::<()>);
        assert_eq!(catch_panic(|| panic_any(PanicsWhenDropped(0))), None::<()>);
    }
}
