//! What happens while the program runs: the layer, which sees each span and event.
//!
//! `layer` has the callbacks of `tracing_subscriber`. `capture` reads the fields, `open_spans` finds the `span_state` of an
//! open span, and `metered` and `instrument_event` learn how a span ended.

pub(crate) mod capture;
pub(crate) mod instrument_event;
pub(crate) mod layer;
pub(crate) mod metered;
pub(crate) mod open_spans;
pub(crate) mod span_state;
