//! The parameters of a query: read into types, checked, and written anew for the upstream.

pub(super) mod duration;
mod pairs;
mod query;
mod time;

pub(super) use pairs::Pairs;
pub(super) use query::{InstantQuery, RangeQuery, probe, services};
pub(super) use time::Time;
