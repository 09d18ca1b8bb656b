//! Labels of the user's own: announced values, told apart by number.

use crate::labels::callback::guarded;
use crate::labels::endpoint::RequestHead;
use crate::labels::methods::{MethodId, OTHER};
use std::fmt;

/// A label: its key, the values it may take, and where they come from.
pub(crate) struct Label {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
    pub(crate) value: ValueFn,
}

/// Reads a label's value from a request.
pub(crate) type ValueFn = Box<dyn for<'a> Fn(RequestHead<'a>) -> Option<&'a str> + Send + Sync>;

/// The values of the user's labels, each by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LabelIds([u8; MAX_LABELS]);

impl LabelIds {
    /// With a method, as one number to hash.
    pub(crate) fn with(self, method: MethodId) -> u64 {
        let [a, b, c, d] = self.0;
        u64::from_le_bytes([a, b, c, d, method.0, 0, 0, 0])
    }
}

impl Default for LabelIds {
    /// `_OTHER` each.
    fn default() -> Self {
        Self([u8::MAX; MAX_LABELS])
    }
}

impl Label {
    pub(crate) fn ids(labels: &[Self], head: RequestHead<'_>) -> LabelIds {
        let mut ids = LabelIds::default();
        for (id, label) in ids.0.iter_mut().zip(labels) {
            let known = guarded(|| (label.value)(head))
                .flatten()
                .and_then(|value| label.values.iter().position(|known| known == value));
            // Truncates nothing: the builder allows fewer values than that.
            *id = known.map_or(u8::MAX, |index| index as u8);
        }
        ids
    }

    pub(crate) fn pairs(labels: &[Self], ids: LabelIds) -> impl Iterator<Item = (&str, &str)> {
        labels.iter().zip(ids.0).map(|(label, id)| {
            (label.key.as_str(), label.values.get(usize::from(id)).map_or(OTHER, String::as_str))
        })
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, values, value: _ } = self;
        f.debug_struct("Label").field("key", key).field("values", values).finish_non_exhaustive()
    }
}

/// How many labels a builder may add, and values to each.
pub(crate) const MAX_LABELS: usize = 4;
pub(crate) const MAX_LABEL_VALUES: usize = 100;
