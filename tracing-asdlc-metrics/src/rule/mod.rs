//! What the user writes: plain data, which is checked before any instrument is created.
//!
//! A [`Rule`](rule::Rule) has [`Label`](label::Label)s, an [`Outcome`](outcome::Outcome) and a
//! [`SpanDuration`](span_duration::SpanDuration); `config` reads the same from configuration. `check` checks each rule, and
//! uses `label_key` and `metric` to check the names in it. `instrument_name` says which instrument a metric's name means.
//! `definitions` checks all rules of a layer together. `set_once`
//! remembers a method that was called twice.

pub(crate) mod check;
#[cfg(feature = "serde")]
pub(crate) mod config;
pub(crate) mod definitions;
pub(crate) mod instrument_name;
pub(crate) mod label;
pub(crate) mod label_key;
pub(crate) mod metric;
pub(crate) mod outcome;
pub(crate) mod rule;
pub(crate) mod set_once;
pub(crate) mod span_duration;
