//! Sorts collected metrics into families and their data points into series.
//!
//! `catalogue` is the entry point: it sorts metrics into families, and the first metric of a name
//! keeps the name. `name` makes the exposed name of a family, with namespace and unit. `base_name`
//! makes the shorter name for `OpenMetrics`. `policy` decides whether a family is served. `resource`
//! makes `target_info`, and labels of attributes of the resource.
//!
//! A `family` has the metrics of one name. `points` reads the data points that the SDK collects,
//! and `foreign` the metrics of registries of other crates. `model` has the types of the values,
//! `native` computes with exponential histograms, and `native_histograms` chooses the histograms to be native.
//!
//! `series` sorts and merges the points of a family. `label_rows` has the labels of each point as text, and keeps them until
//! the next scrape. `label_cache` makes `labels` from attributes: `key_list` says which label has which attribute,
//! `label_key` makes the keys, `value_text` writes values that are not strings, `escape` escapes the values, `layouts` stores
//! each list of label keys once, and `packed_lengths` encodes the lengths of values. `scope_labels` makes the labels of a
//! scope, and `scopes` stores each text of them once. `constant_labels` are the labels of every series. `label_text` writes
//! labels that many series share. `escaping` escapes UTF-8 names for scrapers that cannot read them. `escaped_names` makes
//! sure that different label keys stay different, and `escaped_families` does the same for the names of families.
//! `truncate` applies the `limits` of names, keys and values. `lifetimes` finds the start time of each series.
//! `idle` finds the series that have not changed during the `idle_timeout`, and `shown` has the other series.

pub(crate) mod base_name;
pub(crate) mod catalogue;
pub(crate) mod constant_labels;
pub(crate) mod escape;
mod escaped_families;
mod escaped_names;
pub(crate) mod escaping;
pub(crate) mod exemplars;
pub(crate) mod family;
pub(crate) mod foreign;
pub(crate) mod idle;
pub(crate) mod idle_timeout;
mod key_list;
pub(crate) mod label_cache;
pub(crate) mod label_key;
pub(crate) mod label_rows;
pub(crate) mod label_text;
pub(crate) mod labels;
pub(crate) mod layouts;
pub(crate) mod lifetimes;
pub(crate) mod limits;
pub(crate) mod model;
pub(crate) mod name;
pub(crate) mod native;
pub(crate) mod native_histograms;
#[cfg(test)]
mod otlptranslator_vectors;
pub(crate) mod packed_lengths;
mod points;
pub(crate) mod policy;
pub(crate) mod resource;
pub(crate) mod scope_labels;
pub(crate) mod scopes;
pub(crate) mod series;
pub(crate) mod shown;
pub(crate) mod truncate;
mod value_text;
