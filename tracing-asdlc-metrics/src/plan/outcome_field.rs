//! The fields of a span that decide its outcome.

use crate::record::label_values::{LabelValues, ValueId, ValueIds};
use crate::rule::label::Label;
use crate::rule::outcome::{Outcome, SpanOutcome, status_code_field};
use std::sync::Arc;

/// A field that decides the outcome, and what its values mean.
#[derive(Clone, Debug)]
pub(crate) struct OutcomeField {
    pub(crate) values: Arc<LabelValues>,
    meanings: Arc<[(ValueId, SpanOutcome)]>,
}

impl OutcomeField {
    /// The fields that can decide this outcome, in the order in which they decide.
    pub(crate) fn all(
        outcome: &Outcome,
        mut values: impl FnMut(&Label) -> Arc<LabelValues>,
    ) -> [Self; 2] {
        [outcome.field(), status_code_field()].map(|(label, meanings)| {
            let values = values(&label);
            let meanings = meanings.iter().map(|(value, outcome)| (values.id(value), *outcome));
            Self { meanings: meanings.collect(), values }
        })
    }

    /// The outcome that the captured value means; `None` if it means none.
    pub(crate) fn outcome(&self, ids: &ValueIds, slot: usize) -> Option<SpanOutcome> {
        let id = ids.get(slot);
        self.meanings.iter().find_map(|(known, outcome)| (*known == id).then_some(*outcome))
    }
}
