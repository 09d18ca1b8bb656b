//! Label sets as text: sanitised keys in order, escaped values, never a key twice.

use crate::{model::Kind, name::label_key};
use opentelemetry::{KeyValue, Value};
use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

/// The labels of every series.
#[derive(Debug, Default)]
pub(crate) struct ConstantLabels {
    keys: Vec<String>,
    text: String,
}

impl ConstantLabels {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        let mut this = Self::default();
        for (key, value) in pairs {
            push_pair(&mut this.text, 0, &key, |out| push_escaped(out, &value));
            this.keys.push(key);
        }
        this
    }

    /// `service="shop",environment="prod"`, as it stands in each line.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn contains(&self, key: &str) -> bool {
        self.keys.iter().any(|constant| constant == key)
    }
}

/// Appends the label set of one point.
///
/// An attribute with the key of a constant label is prefixed `exported_`, as Prometheus itself does
/// when a scraped label meets a label of the target; so is `le` on a histogram. Keys that become
/// the same label are joined: their values in the order of the keys, separated by `;`.
///
/// `order` is scratch space: one vector serves a whole scrape.
pub(crate) fn push_labels<'a>(
    out: &mut String,
    constant: &ConstantLabels,
    kind: Kind,
    attributes: &mut dyn Iterator<Item = &'a KeyValue>,
    order: &mut Vec<(Cow<'a, str>, &'a KeyValue)>,
) {
    let start = out.len();
    order.clear();
    order.extend(attributes.map(|attribute| {
        let mut key = label_key(attribute.key.as_str());
        while constant.contains(&key) || (kind == Kind::Histogram && key == "le") {
            key = Cow::Owned(format!("exported_{key}"));
        }
        (key, attribute)
    }));
    order.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.key.cmp(&y.key)));
    for same_key in order.chunk_by(|(a, _), (b, _)| a == b) {
        push_pair(out, start, &same_key[0].0, |out| {
            for (at, (_, attribute)) in same_key.iter().enumerate() {
                if at > 0 {
                    out.push(';');
                }
                push_value(out, &attribute.value);
            }
        });
    }
}

/// Appends `key="value"` to the label set that begins at `start`.
fn push_pair(out: &mut String, start: usize, key: &str, value: impl FnOnce(&mut String)) {
    if out.len() > start {
        out.push(',');
    }
    out.push_str(key);
    out.push_str("=\"");
    value(out);
    out.push('"');
}

fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => push_escaped(out, text.as_str()),
        other => {
            // Writing to a string cannot fail.
            let _ = write!(Escaping(out), "{other}");
        }
    }
}

/// Appends a label value with `\`, `"` and LF escaped.
fn push_escaped(out: &mut String, value: &str) {
    let mut rest = value;
    while let Some(at) = rest.bytes().position(|b| matches!(b, b'\\' | b'"' | b'\n')) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'\\' => "\\\\",
            b'"' => "\\\"",
            _ => "\\n",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}
