//! The events by which `#[instrument(err)]` and `#[instrument(ret)]` tell how a function ended.

use crate::layer::capture::Text;
use crate::layer::span_state::Slot;
use std::fmt::{self, Write};
use tracing_core::field::{Field, Visit};
use tracing_core::{Event, Metadata};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Err,
    Ret,
}

/// Such an event has that one field. Which span it belongs to, [`Plan::is_end_of`](crate::plan::plan::Plan::is_end_of) tells.
pub(crate) fn end(metadata: &Metadata<'_>) -> Option<End> {
    let mut names = metadata.fields().iter().map(|field| field.name());
    match (names.next(), names.next()) {
        _ if !metadata.is_event() => None,
        (Some("error"), None) => Some(End::Err),
        (Some("return"), None) => Some(End::Ret),
        _ => None,
    }
}

/// Notes in the span's slot what the event tells.
#[inline(never)]
pub(crate) fn ended(slot: &Slot, end: End, event: &Event<'_>) {
    let mut returned = Returned::default();
    if end == End::Ret {
        event.record(&mut returned);
    }
    if end == End::Err || returned.is_err {
        slot.has_error();
    } else {
        slot.has_returned();
    }
}

/// Whether the value that `ret` tells is an `Err`.
#[derive(Debug, Default)]
struct Returned {
    is_err: bool,
}

impl Visit for Returned {
    /// Formats only as much as is looked at. A value that `ret(Display)` formats is no `Result`: that has no `Display`.
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        let mut text = Text::<{ ERR.len() }>::new();
        // An error means that there is more of it.
        let _ = write!(text, "{value:?}");
        self.is_err = text.bytes() == ERR;
    }
}

/// How the `Debug` output of an `Err` begins.
const ERR: &[u8] = b"Err(";
