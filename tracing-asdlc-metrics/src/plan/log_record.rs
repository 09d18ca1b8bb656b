//! Records of the `log` crate, which `tracing-log` turns into events.
//!
//! All records of one level have one callsite, with the target `log`. The record's own target is in a field.

use std::fmt;
use tracing_core::field::{Field, Visit};
use tracing_core::{Event, Metadata};

/// Whether this is one of the callsites of `tracing-log`.
pub(crate) fn is_log_record(metadata: &Metadata<'_>) -> bool {
    metadata.is_event()
        && metadata.target() == "log"
        && metadata.name() == "log event"
        && metadata.fields().field(TARGET).is_some()
}

/// Calls `run` with the record's own target.
pub(crate) fn with_log_target(event: &Event<'_>, run: impl FnOnce(&str)) {
    event.record(&mut TargetVisitor(Some(run)));
}

struct TargetVisitor<F>(Option<F>);

impl<F: FnOnce(&str)> Visit for TargetVisitor<F> {
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
