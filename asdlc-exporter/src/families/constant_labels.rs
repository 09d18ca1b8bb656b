//! The labels that every series has: `service` and those of the builder.

use crate::families::escape::push_escaped;

#[derive(Debug, Default)]
pub(crate) struct ConstantLabels {
    keys: Vec<String>,
    text: String,
}

impl ConstantLabels {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        let mut this = Self::default();
        // In Prometheus, a label with an empty value is no label.
        for (key, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            if !this.text.is_empty() {
                this.text.push(',');
            }
            this.text.push_str(&key);
            this.text.push_str("=\"");
            push_escaped(&mut this.text, &value);
            this.text.push('"');
            this.keys.push(key);
        }
        this
    }

    /// `service="shop",environment="prod"`, as in each line of the text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.keys.iter().any(|constant| constant == key)
    }
}
