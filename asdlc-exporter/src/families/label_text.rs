//! Writes labels that many series share as one text: those of a scope, and those of the resource.

use crate::families::{
    labels::{AttributeValue, push_value},
    limits::MAX_LABELS,
    truncate::{truncate_key, truncate_value},
};
use std::{borrow::Cow, iter};

/// Labels that are not written yet. Several of them may have one key.
#[derive(Default)]
pub(crate) struct SharedLabels<'a>(Vec<SharedLabel<'a>>);

struct SharedLabel<'a> {
    key: String,
    recorded: Cow<'a, str>,
    value: AttributeValue<'a>,
}

/// Labels as text: `a="1",b="2"`, sorted by key, with escaped values. Equal labels have equal texts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelText {
    pub(crate) text: String,
    pub(crate) keys: Vec<String>,
    /// How many labels are truncated or left out.
    pub(crate) truncated: usize,
}

impl<'a> SharedLabels<'a> {
    /// Adds a label with a valid key. `recorded` is the key of the attribute.
    pub(crate) fn add(
        &mut self,
        key: String,
        recorded: impl Into<Cow<'a, str>>,
        value: AttributeValue<'a>,
    ) {
        self.0.push(SharedLabel { key, recorded: recorded.into(), value });
    }

    /// Writes the labels by the same rules as the labels of a point: values of the same key are joined
    /// by `;`, in the order of the attribute keys. Empty values are no labels. Long keys and values are
    /// truncated, so that all values together have at most `max_len` bytes.
    pub(crate) fn write(self, max_value_len: usize, max_len: usize) -> LabelText {
        let Self(mut labels) = self;
        let mut truncated = 0;
        for label in &mut labels {
            truncated += usize::from(truncate_key(&mut label.key));
        }
        labels.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| a.recorded.cmp(&b.recorded)));
        let same_key = labels.chunk_by(|a, b| a.key == b.key);
        let mut values: Vec<_> = same_key
            .map(|same| (same[0].key.as_str(), joined(same)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        truncated += values.len().saturating_sub(MAX_LABELS);
        values.truncate(MAX_LABELS);
        let is_too_long = values.iter().map(|(_, value)| value.len()).sum::<usize>() > max_len;
        // An escape makes two bytes of one.
        let fits = max_len / MAX_LABELS / 2;
        let max_value_len = if is_too_long { max_value_len.min(fits) } else { max_value_len };
        let mut this = LabelText { truncated, ..LabelText::default() };
        for (key, mut value) in values {
            if value.len() > max_value_len {
                this.truncated += usize::from(truncate_value(&mut value, 0, max_value_len));
            }
            let comma = if this.text.is_empty() { "" } else { "," };
            for part in [comma, key, "=\"", &value, "\""] {
                this.text.push_str(part);
            }
            this.keys.push(key.to_owned());
        }
        this
    }
}

/// The keys and the escaped values of labels that are written as [`LabelText::text`].
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    iter::from_fn(move || {
        let (key, after) = rest.split_once("=\"")?;
        let mut is_escaped = false;
        let end = after.bytes().position(|b| {
            let is_end = b == b'"' && !is_escaped;
            is_escaped = b == b'\\' && !is_escaped;
            is_end
        });
        let (value, end) = after.split_at(end?);
        rest = end.strip_prefix("\",").unwrap_or_default();
        Some((key, value))
    })
}

/// The values that are not empty, separated by `;`.
fn joined(labels: &[SharedLabel<'_>]) -> String {
    let mut out = String::new();
    for label in labels {
        let before = out.len();
        if before > 0 {
            out.push(';');
        }
        let after = out.len();
        push_value(&mut out, label.value);
        if out.len() == after {
            out.truncate(before);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::limits::{DEFAULT_VALUE_LEN, MAX_KEY_LEN};

    fn text(labels: &[(&str, &str, &str)], max_len: usize) -> LabelText {
        let mut shared = SharedLabels::default();
        for (key, recorded, value) in labels {
            shared.add((*key).to_owned(), *recorded, AttributeValue::Text(value));
        }
        shared.write(DEFAULT_VALUE_LEN, max_len)
    }

    // X-05, X-09
    #[test]
    fn labels_are_sorted_joined_and_escaped() {
        let labels = [
            ("b", "b", "\"\\\n"),
            ("a_b", "a_b", "1"),
            ("empty", "empty", ""),
            ("a_b", "a.b", "2"),
            ("a_b", "a-b", ""),
        ];
        let LabelText { text, keys, truncated } = text(&labels, 100_000);
        assert_eq!(text, r#"a_b="2;1",b="\"\\\n""#);
        assert_eq!((keys, truncated), (vec!["a_b".to_owned(), "b".to_owned()], 0));
    }

    // X-12
    #[test]
    fn the_text_has_the_keys_and_values_that_were_written() {
        let labels =
            [("a", "a", "1"), ("b", "b", "\",c=\"\\"), ("d", "d", "\\\n"), ("e", "e", "=\"")];
        let LabelText { text, .. } = text(&labels, 100_000);
        let expected = [("a", "1"), ("b", r#"\",c=\"\\"#), ("d", r"\\\n"), ("e", r#"=\""#)];
        assert_eq!(pairs(&text).collect::<Vec<_>>(), expected);
        assert_eq!(pairs("").next(), None);
    }

    // F-16, X-09
    #[test]
    fn many_and_long_labels_are_truncated() {
        let value = "\"".repeat(5_000);
        let keys: Vec<_> = (0..100).map(|at| format!("k{at:03}{}", "x".repeat(300))).collect();
        let labels: Vec<_> = keys.iter().map(|key| (&**key, &**key, &*value)).collect();
        let LabelText { text, keys, truncated } = text(&labels, 32 * 1024);
        assert_eq!(keys.len(), MAX_LABELS);
        assert!(keys.iter().all(|key| key.len() == MAX_KEY_LEN));
        assert_eq!(truncated, 100 + 36 + MAX_LABELS);
        assert!(text.len() < 32 * 1024 + MAX_LABELS * (MAX_KEY_LEN + 4), "{}", text.len());
    }
}
