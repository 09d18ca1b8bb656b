//! Sorts collected metrics into families and their data points into series.
//!
//! `catalogue` is the entry point: it sorts metrics into families, and the first metric of a name keeps the name. A `family` has the
//! metrics of one name. `names` makes the names of families and decides which are served, `labels` makes the labels of series,
//! and `series` has their values and their lives. `foreign` reads the metrics of registries of other crates. `model` has the
//! types of the values, and `limits` the limits of names, keys and values.

pub(crate) mod catalogue;
pub(crate) mod family;
pub(crate) mod foreign;
pub(crate) mod labels;
pub(crate) mod limits;
pub(crate) mod model;
pub(crate) mod names;
pub(crate) mod series;
