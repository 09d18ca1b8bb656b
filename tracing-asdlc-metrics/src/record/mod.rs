//! Records into the OpenTelemetry SDK.
//!
//! `instruments` creates every instrument. `label_values` gives each value of a label an id, and `series` finds the series of these
//! ids. `text_list` is a short list of values. `metrics` has the instruments and series of one rule, and `recording` records into them. `deferred` keeps the values of a
//! prefixed field until its instrument exists (`pending_values`). `append_only_table` is the table of callsites, label values
//! and series. `exemplars` says to which OpenTelemetry span a measurement belongs. `bound` and `unbound` have the types of the series, with and without bound instruments. `per_instrument` has one
//! value for each instrument of a rule. `recording_guard` exists while a thread records.

pub(crate) mod append_only_table;
#[cfg(feature = "bound")]
pub(crate) mod bound;
pub(crate) mod deferred;
pub(crate) mod exemplars;
pub(crate) mod instruments;
pub(crate) mod label_values;
pub(crate) mod metrics;
pub(crate) mod pending_values;
pub(crate) mod per_instrument;
pub(crate) mod recording;
pub(crate) mod recording_guard;
pub(crate) mod series;
pub(crate) mod text_list;
#[cfg(not(feature = "bound"))]
pub(crate) mod unbound;
