//! The parameters of a query that are allowed. They are parsed into types, checked, and written again
//! for the upstream.

pub(super) mod duration;
mod pairs;
mod query;
mod time;

pub(super) use pairs::Pairs;
pub(super) use query::{InstantQuery, RangeQuery, health_form, services_form};
pub(super) use time::Time;
