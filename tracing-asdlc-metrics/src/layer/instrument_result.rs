//! Reads the event that `#[instrument(err)]` or `#[instrument(ret)]` emits when the function ends, and sets a flag in the state of
//! the function's span. The outcome of the span is decided later, when the span closes.

use crate::layer::span_state::AtomicSpanState;
use crate::layer::text_buffer::TextBuffer;
use crate::plan::instrument_event::InstrumentEvent;
use std::fmt::{self, Write};
use tracing_core::Event;
use tracing_core::field::{Field, Visit};

/// Sets the flag in the state of the function's span.
#[inline(never)]
pub(crate) fn set_flag(span: &AtomicSpanState, kind: InstrumentEvent, event: &Event<'_>) {
    let mut returned = ReturnedValue::default();
    if kind == InstrumentEvent::Ret {
        event.record(&mut returned);
    }
    if kind == InstrumentEvent::Err || returned.is_err {
        span.set_error();
    } else {
        span.set_returned();
    }
}

/// The value that `#[instrument(ret)]` reports.
#[derive(Debug, Default)]
struct ReturnedValue {
    is_err: bool,
}

impl Visit for ReturnedValue {
    /// Formats only the part that is compared. `ret(Display)` never formats a `Result`, because a `Result` has no `Display`.
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        let mut text = TextBuffer::<{ ERR.len() }>::new();
        // An error means that the text is longer than the buffer.
        let _ = write!(text, "{value:?}");
        self.is_err = text.bytes() == ERR;
    }
}

/// The start of the `Debug` output of an `Err`.
const ERR: &[u8] = b"Err(";
