//! Sorts collected metrics into families and their data points into series.
//!
//! `name` makes the exposed name of a family, with namespace and unit. `policy` decides whether it is
//! served, and `catalogue` keeps the first metric of each name. `points` and `registered` read the data
//! points of a `family`. `label_cache` makes labels of their attributes, with keys of `label_key` and values
//! of `escape`, and `series` sorts and merges them. `truncate` applies the `limits` of names, keys and values.

pub(crate) mod base_name;
pub(crate) mod catalogue;
pub(crate) mod constant_labels;
mod escape;
pub(crate) mod family;
pub(crate) mod label_cache;
pub(crate) mod label_key;
pub(crate) mod labels;
mod layouts;
pub(crate) mod limits;
pub(crate) mod model;
pub(crate) mod name;
mod packed_lengths;
mod points;
pub(crate) mod policy;
#[cfg(feature = "prometheus")]
pub(crate) mod registered;
#[cfg(not(feature = "prometheus"))]
#[path = "unregistered.rs"]
pub(crate) mod registered;
pub(crate) mod series;
pub(crate) mod truncate;
