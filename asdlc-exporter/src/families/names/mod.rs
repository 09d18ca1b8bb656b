//! The names of families: how they are made, which are served, and how scrapers read them.
//!
//! `name` makes the exposed name of a family, with namespace and unit, and `base_name` the shorter name for `OpenMetrics`. `policy`
//! decides whether a family is served. `escaping` escapes UTF-8 names for scrapers that cannot read them. `escaped_names` makes
//! sure that different label keys stay different, and `escaped_families` does the same for the names of families.

pub(crate) mod base_name;
pub(crate) mod escaped_families;
pub(crate) mod escaped_names;
pub(crate) mod escaping;
pub(crate) mod name;
#[cfg(test)]
pub(crate) mod otlptranslator_vectors;
pub(crate) mod policy;
