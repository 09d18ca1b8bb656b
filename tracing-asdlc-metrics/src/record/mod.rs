//! What is recorded into the OpenTelemetry SDK.
//!
//! `instruments` creates every instrument. `label_values` numbers the values of a label, `series` finds the series of a
//! label set, and `recording` adds to its counters, histograms and gauges.

#[cfg(feature = "bound")]
pub(crate) mod bound;
pub(crate) mod deferred;
pub(crate) mod instruments;
pub(crate) mod label_values;
pub(crate) mod metrics;
pub(crate) mod pending_values;
pub(crate) mod recording;
pub(crate) mod series;
pub(crate) mod table;
#[cfg(not(feature = "bound"))]
pub(crate) mod unbound;
