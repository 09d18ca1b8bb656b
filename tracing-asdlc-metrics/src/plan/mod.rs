//! What is resolved once for each callsite, so that no string is compared for each span or event.
//!
//! `rule_set` has the checked rules with their metrics. `resolve` compares a callsite with them (`matching`) and makes its `plan`;
//! `plans` keeps the plans in a table (`callsites`) and finds them again. `event_route` says how the events of a callsite are recorded. Some fields have a special meaning: see
//! `prefixed_fields` and `outcome_field`. Some events have one too: see `instrument_event` and `log_record`.

pub(crate) mod callsites;
pub(crate) mod event_route;
pub(crate) mod instrument_event;
pub(crate) mod log_record;
pub(crate) mod matching;
pub(crate) mod outcome_field;
pub(crate) mod plan;
pub(crate) mod plans;
pub(crate) mod prefixed_fields;
pub(crate) mod resolve;
pub(crate) mod rule_set;
