//! The events that `#[instrument(err)]` and `#[instrument(ret)]` emit when a function ends.

use tracing_core::Metadata;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstrumentEvent {
    Err,
    Ret,
}

impl InstrumentEvent {
    /// Recognises such an event by its only field.
    /// [`Plan::is_instrument_event_of`](crate::plan::plan::Plan::is_instrument_event_of) finds its span.
    pub(crate) fn recognise(metadata: &Metadata<'_>) -> Option<Self> {
        let mut names = metadata.fields().iter().map(|field| field.name());
        match (names.next(), names.next()) {
            _ if !metadata.is_event() => None,
            (Some("error"), None) => Some(Self::Err),
            (Some("return"), None) => Some(Self::Ret),
            _ => None,
        }
    }
}
