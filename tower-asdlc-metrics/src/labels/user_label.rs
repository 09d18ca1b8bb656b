//! Labels that the application adds. The builder gets a list of the possible values. A value is stored as its index in that
//! list.

use crate::labels::catch_panic::catch_panic;
use crate::labels::request_head::RequestHead;
use crate::labels::values::OTHER;
use std::fmt;

/// A label of the application: its key, its possible values, and the function that reads its value from a request.
pub(crate) struct UserLabel {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
    pub(crate) read: ReadValue,
}

pub(crate) type ReadValue = Box<dyn for<'a> Fn(RequestHead<'a>) -> Option<&'a str> + Send + Sync>;

/// The values of all user labels of a request: for each a byte, its index in the list of possible values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserLabelValues(pub(crate) u32);

impl UserLabel {
    #[inline]
    pub(crate) fn read_all(labels: &[Self], head: RequestHead<'_>) -> UserLabelValues {
        if labels.is_empty() {
            return UserLabelValues::OTHER;
        }
        let mut values = UserLabelValues::OTHER.0.to_le_bytes();
        for (index, label) in values.iter_mut().zip(labels) {
            let known = catch_panic(|| (label.read)(head))
                .flatten()
                .and_then(|value| label.values.iter().position(|known| known == value));
            // The builder allows at most MAX_VALUES_PER_LABEL, which fits into a byte.
            *index = known.map_or(OTHER_INDEX, |index| index as u8);
        }
        UserLabelValues(u32::from_le_bytes(values))
    }

    /// The keys and values, as they are recorded.
    pub(crate) fn pairs(
        labels: &[Self],
        values: UserLabelValues,
    ) -> impl Iterator<Item = (&str, &str)> {
        labels.iter().zip(values.0.to_le_bytes()).map(|(label, index)| {
            let value = label.values.get(usize::from(index)).map_or(OTHER, String::as_str);
            (label.key.as_str(), value)
        })
    }
}

impl fmt::Debug for UserLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, values, read: _ } = self;
        f.debug_struct("UserLabel")
            .field("key", key)
            .field("values", values)
            .finish_non_exhaustive()
    }
}

impl UserLabelValues {
    /// All values are [`OTHER`].
    pub(crate) const OTHER: Self = Self(u32::MAX);
}

pub(crate) const MAX_USER_LABELS: usize = size_of::<UserLabelValues>();
pub(crate) const MAX_VALUES_PER_LABEL: usize = 100;
/// Greater than the index of any possible value.
pub(crate) const OTHER_INDEX: u8 = u8::MAX;
