//! The series of a family: their order, their values and their lives.
//!
//! `points` reads the data points that the SDK collects. `table` sorts them by their labels, and merges the points of one series; `order` is kept for the next scrape.
//! `native` computes with exponential histograms, and `native_histograms` chooses the histograms to be native. `exemplars` finds the
//! exemplars of a series.
//!
//! `lifetimes` finds the start time of each series. `idle` finds the series that have not changed during the `idle_timeout`, and
//! `shown` has the other series.

pub(crate) mod exemplars;
pub(crate) mod idle;
pub(crate) mod idle_timeout;
pub(crate) mod lifetimes;
pub(crate) mod native;
pub(crate) mod native_histograms;
pub(crate) mod order;
pub(crate) mod points;
pub(crate) mod shown;
pub(crate) mod table;
