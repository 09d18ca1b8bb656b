//! The labels that every series has: `service`, those of the builder, and attributes of the resource.

use crate::families::{
    labels::{
        escape::push_escaped,
        text::{LabelText, push_label, with_escaped_keys},
    },
    names::escaped_names::EscapedKeys,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct ConstantLabels {
    keys: Vec<String>,
    text: String,
}

impl ConstantLabels {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        let mut this = Self::default();
        // In Prometheus, a label with an empty value is no label.
        for (key, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            let text = label(&key, &value);
            this.append(LabelText { text, keys: vec![key], truncated: 0 });
        }
        this
    }

    /// Adds labels at the end.
    pub(crate) fn append(&mut self, LabelText { text, mut keys, .. }: LabelText) {
        if !self.text.is_empty() && !text.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(&text);
        self.keys.append(&mut keys);
    }

    /// `service="shop",environment="prod"`, as in each line of the text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// The same labels with escaped keys.
    pub(crate) fn escaped(&self, keys: &EscapedKeys) -> Self {
        let escaped = self.keys().map(|key| keys.get(key).to_owned()).collect();
        Self { keys: escaped, text: with_escaped_keys(&self.text, keys) }
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.keys.iter().any(|constant| constant == key)
    }

    /// Whether there is a label with this key and value.
    pub(crate) fn has(&self, key: &str, value: &str) -> bool {
        // An escaped value has no quote of its own, so only a whole label matches.
        let text = format!(",{},", self.text);
        self.contains(key) && text.contains(&format!(",{},", label(key, value)))
    }
}

/// `key="value"`.
fn label(key: &str, value: &str) -> String {
    let (mut text, mut escaped) = (String::new(), String::new());
    push_escaped(&mut escaped, value);
    push_label(&mut text, key, &escaped);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_found_by_its_key_and_value() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let labels = ConstantLabels::new(vec![
            pair("a", "1"),
            pair("b", ",a=\"2\","),
            pair("c", ""),
            pair("d", "4"),
        ]);
        assert_eq!(labels.text(), r#"a="1",b=",a=\"2\",",d="4""#);
        for (key, value) in [("a", "1"), ("b", ",a=\"2\","), ("d", "4")] {
            assert!(labels.has(key, value), "{key}");
        }
        for (key, value) in [("a", "2"), ("a", ""), ("c", ""), ("d", "5")] {
            assert!(!labels.has(key, value), "{key}");
        }
    }
}
