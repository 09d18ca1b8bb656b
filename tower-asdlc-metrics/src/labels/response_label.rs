//! Labels whose values come from the response.

use crate::labels::user_label::OTHER_INDEX;
use crate::labels::values::OTHER;
use http::{Extensions, Response};
use std::borrow::Cow;

/// An extension of a *response* that sets labels which the builder has
/// [declared](crate::HttpMetricsLayerBuilder::with_response_label).
///
/// ```
/// use tower_asdlc_metrics::ResponseLabels;
///
/// let mut response = http::Response::new("a page");
/// ResponseLabels::set(&mut response, "cache", "hit");
/// ```
///
/// With the feature `axum`, it can be a part of what a handler returns:
///
/// ```
/// # #[cfg(feature = "axum")]
/// # mod with_axum {
/// use axum::response::IntoResponse;
/// use tower_asdlc_metrics::ResponseLabels;
///
/// async fn page() -> impl IntoResponse {
///     (ResponseLabels::new([("cache", "hit")]), "a page")
/// }
/// # }
/// ```
///
/// A key that the builder has not declared has no effect. A value that the builder has not declared is counted as
/// [`OTHER`](crate::OTHER). If a key is set twice, the last value counts.
#[derive(Clone, Debug, Default)]
pub struct ResponseLabels(Vec<(Cow<'static, str>, Cow<'static, str>)>);

impl ResponseLabels {
    /// Creates the extension from keys and values.
    pub fn new<K, V>(labels: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<Cow<'static, str>>,
        V: Into<Cow<'static, str>>,
    {
        Self(labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// Sets one label of a response, and keeps those that other code has set.
    pub fn set<B>(
        response: &mut Response<B>,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) {
        Self::new([(key, value)]).add_to(response.extensions_mut());
    }

    fn add_to(self, extensions: &mut Extensions) {
        extensions.get_or_insert_default::<Self>().0.extend(self.0);
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(set, _)| set == key).map(|(_, value)| &**value)
    }
}

#[cfg(feature = "axum")]
impl axum::response::IntoResponseParts for ResponseLabels {
    type Error = std::convert::Infallible;

    fn into_response_parts(
        self,
        mut parts: axum::response::ResponseParts,
    ) -> Result<axum::response::ResponseParts, Self::Error> {
        self.add_to(parts.extensions_mut());
        Ok(parts)
    }
}

/// A label that the builder has declared.
#[derive(Debug)]
pub(crate) struct ResponseLabel {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

/// The values of all response labels, each as its index in the list of possible values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseLabelValues(pub(crate) [u8; MAX_RESPONSE_LABELS]);

impl ResponseLabel {
    pub(crate) fn read_all(labels: &[Self], extensions: &Extensions) -> ResponseLabelValues {
        let mut values = ResponseLabelValues::OTHER;
        if let Some(set) = extensions.get::<ResponseLabels>() {
            for (index, label) in values.0.iter_mut().zip(labels) {
                let known = set
                    .get(&label.key)
                    .and_then(|value| label.values.iter().position(|known| known == value));
                // The builder allows at most MAX_VALUES_PER_LABEL, which fits into a byte.
                *index = known.map_or(OTHER_INDEX, |index| index as u8);
            }
        }
        values
    }

    /// The keys and values, as they are recorded.
    pub(crate) fn pairs(
        labels: &[Self],
        values: ResponseLabelValues,
    ) -> impl Iterator<Item = (&str, &str)> {
        labels.iter().zip(values.0).map(|(label, index)| {
            let value = label.values.get(usize::from(index)).map_or(OTHER, String::as_str);
            (label.key.as_str(), value)
        })
    }
}

impl ResponseLabelValues {
    /// All values are [`OTHER`].
    pub(crate) const OTHER: Self = Self([OTHER_INDEX; MAX_RESPONSE_LABELS]);
}

pub(crate) const MAX_RESPONSE_LABELS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    // X-10
    #[test]
    fn several_layers_can_set_labels_and_the_last_value_of_a_key_counts() {
        let label = |key: &str, values: &[&str]| ResponseLabel {
            key: key.into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let labels = [label("cache", &["hit", "miss"]), label("tier", &["gold"])];
        let mut response = Response::new(());
        let read = |response: &Response<()>| {
            let values = ResponseLabel::read_all(&labels, response.extensions());
            ResponseLabel::pairs(&labels, values)
                .map(|(_, value)| value.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(read(&response), [OTHER, OTHER]);
        for (key, value) in
            [("cache", "miss"), ("undeclared", "x"), ("tier", "lead"), ("cache", "hit")]
        {
            ResponseLabels::set(&mut response, key, value);
        }
        assert_eq!(read(&response), ["hit", OTHER]);
        ResponseLabels::set(&mut response, "tier", "gold");
        assert_eq!(read(&response), ["hit", "gold"]);
    }
}
