//! Exemplars: single measurements, each with the span that it was made in. The SDK does not collect them.
//!
//! `span` finds the span of a measurement. `reservoir` keeps exemplars, `series` those of a series, and `store` those of
//! all instruments: the meters of this crate record into it, and a scrape reads from it.

pub(crate) mod clocks;
mod exemplar;
pub(crate) mod filter;
pub(crate) mod reservoir;
pub(crate) mod series;
pub(crate) mod span;
pub(crate) mod store;
mod sync;

pub(crate) use exemplar::{Exemplar, Recorded, SpanIds};
