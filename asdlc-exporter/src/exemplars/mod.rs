//! Exemplars: single measurements, each with the span that it was made in. The SDK does not collect them.
//!
//! `span` finds the span of a measurement. A `slot` keeps an exemplar, a `reservoir` one of each of its `buckets`, `series` those of
//! a series, and `store` those of all instruments: the meters of this crate record into it, and a scrape reads from it.

pub(crate) mod buckets;
pub(crate) mod clocks;
mod exemplar;
pub(crate) mod filter;
mod moment;
pub(crate) mod reservoir;
pub(crate) mod series;
mod slot;
pub(crate) mod span;
pub(crate) mod store;
mod sync;

pub(crate) use exemplar::{Exemplar, SpanIds};
pub(crate) use moment::Moment;
