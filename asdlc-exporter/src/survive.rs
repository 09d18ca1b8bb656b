//! Running foreign code: wakers, callbacks, collectors, subscribers, and the drop of what users gave.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs foreign code. `None` when it panics, also when dropping what it panicked with panics.
///
/// Call it without a lock of ours: the code may take any time, and may call us.
pub(crate) fn survive<T>(run: impl FnOnce() -> T) -> Option<T> {
    let panic = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => return Some(value),
        Err(panic) => panic,
    };
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        // It could go on like this for ever.
        mem::forget(another);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::survive;
    use std::panic::panic_any;

    // F-18
    #[test]
    fn a_panic_whose_payload_panics_is_survived() {
        struct Again(u32);
        impl Drop for Again {
            fn drop(&mut self) {
                panic_any(Again(self.0 + 1));
            }
        }
        assert_eq!(survive(|| 7), Some(7));
        assert_eq!(survive(|| panic!("once")), None::<()>);
        assert_eq!(survive(|| panic_any(Again(0))), None::<()>);
    }
}
