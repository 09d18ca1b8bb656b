//! What the user asks for: plain data, checked before anything is created.
//!
//! A [`Rule`](rule::Rule) has [`Label`](label::Label)s and at most one [`Outcome`](outcome::Outcome). `config` reads the
//! same rules from configuration. `check` refuses a rule that is invalid.

pub(crate) mod check;
#[cfg(feature = "serde")]
pub(crate) mod config;
pub(crate) mod label;
pub(crate) mod outcome;
pub(crate) mod rule;
pub(crate) mod set_once;
pub(crate) mod span_duration;
