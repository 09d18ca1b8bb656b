//! What is resolved once, so that no span or event compares a string.
//!
//! `rule_set` checks the rules together and creates their metrics. `plan` resolves, for each callsite, which rules match it
//! and which fields they read; `callsites` is the table of these plans.

pub(crate) mod callsites;
pub(crate) mod log_record;
pub(crate) mod plan;
pub(crate) mod prefixed_fields;
pub(crate) mod rule_set;
