//! Records of the `log` crate, as `tracing-log` passes them on: every record of one level has one callsite, with the target
//! `log`, and has its own target in a field.

use std::fmt;
use tracing_core::field::{Field, Visit};
use tracing_core::{Event, Metadata};

/// Whether it is one of the callsites of `tracing-log`.
pub(crate) fn is_log(metadata: &Metadata<'_>) -> bool {
    metadata.is_event()
        && metadata.target() == "log"
        && metadata.name() == "log event"
        && metadata.fields().field(TARGET).is_some()
}

/// Calls the function with the record's own target.
pub(crate) fn with_target(event: &Event<'_>, run: impl FnOnce(&str)) {
    event.record(&mut WithTarget(Some(run)));
}

struct WithTarget<F>(Option<F>);

impl<F: FnOnce(&str)> Visit for WithTarget<F> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == TARGET {
            if let Some(run) = self.0.take() {
                run(value);
            }
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

const TARGET: &str = "log.target";
