//! Writes labels that many series share as one text: those of a scope, and those of the resource.

use crate::families::{
    labels::{
        attributes::{AttributeValue, push_value},
        escape::{push_escaped, push_unescaped},
        truncate::{truncate_key, truncate_value},
    },
    limits::MAX_LABELS,
    names::{escaped_names::EscapedKeys, escaping::NameKind},
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
            this.text.push_str(comma);
            push_label(&mut this.text, key, &value);
            this.keys.push(key.to_owned());
        }
        this
    }
}

/// Appends `key="value"`. The value is escaped already.
pub(crate) fn push_label(out: &mut String, key: &str, escaped_value: &str) {
    push_key(out, key);
    for part in ["=\"", escaped_value, "\""] {
        out.push_str(part);
    }
}

/// Appends a key as it is written in a text format: with quotes if not every scraper reads it.
pub(crate) fn push_key(out: &mut String, key: &str) {
    if NameKind::Label.is_classic(key) {
        out.push_str(key);
    } else {
        out.push('"');
        push_escaped(out, key);
        out.push('"');
    }
}

/// The key that [`push_key`] has written.
pub(crate) fn key(text: &str) -> Cow<'_, str> {
    let Some(quoted) = text.strip_prefix('"') else { return Cow::Borrowed(text) };
    let quoted = quoted.strip_suffix('"').unwrap_or(quoted);
    if !quoted.contains('\\') {
        return Cow::Borrowed(quoted);
    }
    let mut key = Vec::new();
    push_unescaped(&mut key, quoted.as_bytes());
    // An escape is ASCII, so what is left is still UTF-8.
    Cow::Owned(String::from_utf8(key).unwrap_or_default())
}

/// The keys and the escaped values of labels that are written as [`LabelText::text`].
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let mut rest = text;
    iter::from_fn(move || {
        let key_end = if rest.starts_with('"') { quoted_len(rest)? } else { rest.find('=')? };
        let (key_text, after) = rest.split_at(key_end);
        let value = after.strip_prefix('=')?;
        let (value, end) = value.split_at(quoted_len(value)?);
        rest = end.strip_prefix(',').unwrap_or_default();
        Some((key(key_text), &value[1..value.len() - 1]))
    })
}

/// The length of the quoted text at the start, with both quotes.
fn quoted_len(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|b| {
        let is_end = b == b'"' && !is_escaped;
        is_escaped = b == b'\\' && !is_escaped;
        is_end
    })?;
    Some(end + 2)
}

/// The same labels with escaped keys.
pub(crate) fn with_escaped_keys(text: &str, keys: &EscapedKeys) -> String {
    let mut out = String::new();
    for (key, value) in pairs(text) {
        if !out.is_empty() {
            out.push(',');
        }
        push_label(&mut out, keys.get(&key), value);
    }
    out
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

    // X-12, X-14
    #[test]
    fn the_text_has_the_keys_and_values_that_were_written() {
        let labels = [
            ("\"=\\", "", "\"="),
            (",\"", "", "x"),
            ("a", "", "1"),
            ("b", "", "\",c=\"\\"),
            ("d.e", "", "\\\n"),
            ("f\n", "", "=\""),
        ];
        let LabelText { text, .. } = text(&labels, 100_000);
        assert_eq!(text, r#""\"=\\"="\"=",",\""="x",a="1",b="\",c=\"\\","d.e"="\\\n","f\n"="=\"""#);
        let expected = labels.map(|(key, _, value)| {
            let mut escaped = String::new();
            push_escaped(&mut escaped, value);
            (key.to_owned(), escaped)
        });
        let found: Vec<_> =
            pairs(&text).map(|(key, value)| (key.into_owned(), value.to_owned())).collect();
        assert_eq!(found, expected);
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
