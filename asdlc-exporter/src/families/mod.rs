//! Sorts collected metrics into Prometheus families and their points into series.
//!
//! `name` makes the family name, `policy` decides whether the family is served, `catalogue` keeps
//! the first metric of each name, `points` and `registered` read the data points, `labels` makes the
//! label set of each, and `series` sorts and merges them.

pub(crate) mod catalogue;
pub(crate) mod constant_labels;
pub(crate) mod labels;
pub(crate) mod model;
pub(crate) mod name;
pub(crate) mod packed;
pub(crate) mod points;
pub(crate) mod policy;
#[cfg(feature = "prometheus")]
pub(crate) mod registered;
#[cfg(not(feature = "prometheus"))]
#[path = "unregistered.rs"]
pub(crate) mod registered;
pub(crate) mod series;
pub(crate) mod truncate;
