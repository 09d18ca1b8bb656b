//! Which series a setup must have, computed by the rules of the documentation.

use std::collections::{BTreeMap, BTreeSet};

use super::generated_scopes::{Attributes, Scope, ServedScopeLabels, Setup};

/// Labels without any limit of their length.
pub(crate) type Labels = BTreeMap<String, String>;

impl Setup {
    /// The series of the counter that each scope has.
    pub(crate) fn shared_series(&self) -> BTreeMap<Labels, u64> {
        let constant = self.constant_labels();
        let mut sums = BTreeMap::<_, u64>::new();
        for scope in &self.scopes {
            for (attributes, by) in &scope.shared {
                *sums.entry(self.labels(&constant, scope, attributes)).or_default() += by;
            }
        }
        sums
    }

    /// The labels of `target_info`. `None` if it is not served.
    pub(crate) fn target_info(&self) -> Option<Labels> {
        if self.resource.is_empty() {
            return None;
        }
        let mut constant = Labels::new();
        constant.extend(self.constants.iter().filter(|(_, value)| !value.is_empty()).cloned());
        let entries = self.resource.iter().map(|(recorded, value)| {
            let (mut key, value) = (label_key(recorded), value.to_string());
            if constant.get(&key) == Some(&value) {
                return (key, recorded.clone(), String::new());
            }
            while constant.contains_key(&key) {
                key.insert_str(0, "exported_");
            }
            (key, recorded.clone(), value)
        });
        let mut labels = joined(entries.collect());
        labels.append(&mut constant);
        Some(labels)
    }

    /// Those of the builder and of the resource.
    fn constant_labels(&self) -> Labels {
        let constants = self.constants.iter().filter(|(_, value)| !value.is_empty()).cloned();
        let mut labels: Labels = constants.collect();
        let mut entries = Vec::new();
        for (recorded, value) in &self.resource {
            let key = label_key(recorded);
            if self.resource_labels.contains(recorded) && !labels.contains_key(&key) {
                entries.push((key, recorded.clone(), value.to_string()));
            }
        }
        labels.append(&mut joined(entries));
        labels
    }

    fn labels(&self, constant: &Labels, scope: &Scope, attributes: &Attributes) -> Labels {
        let Scope { name, version, schema_url, attributes: of_scope, .. } = scope;
        let served = self.scope_labels;
        let ServedScopeLabels {
            name: with_name,
            version: with_version,
            schema_url: with_url,
            attributes: with_attributes,
        } = served;
        let mut entries = Vec::new();
        for (is_served, key, value) in [
            (with_name, NAME, Some(name)),
            (with_version, VERSION, version.as_ref()),
            (with_url, SCHEMA_URL, schema_url.as_ref()),
        ] {
            if let Some(value) = value.filter(|_| is_served) {
                entries.push((key.to_owned(), key.to_owned(), value.clone()));
            }
        }
        for (key, value) in of_scope.iter().filter(|_| with_attributes) {
            let recorded = format!("{SCOPE_PREFIX}{key}");
            let key = label_key(&recorded);
            if ![NAME, VERSION, SCHEMA_URL].contains(&key.as_str()) {
                entries.push((key, recorded, value.to_string()));
            }
        }
        let mut own = Vec::new();
        for (recorded, value) in attributes {
            let mut key = label_key(recorded);
            if served.are_served() && key.starts_with(SCOPE_PREFIX) {
                entries.push((key, recorded.clone(), value.to_string()));
                continue;
            }
            while constant.contains_key(&key) {
                key.insert_str(0, "exported_");
            }
            own.push((key, recorded.clone(), value.to_string()));
        }
        let mut labels = joined(entries);
        labels.append(&mut joined(own));
        labels.extend(constant.clone());
        labels
    }
}

/// The beginning of each key and value, sorted: truncated texts have the same.
pub(crate) fn beginnings(
    labels: impl IntoIterator<Item = (String, String)>,
) -> Vec<(String, String)> {
    let beginning = |text: String| text[..text.floor_char_boundary(BEGINNING)].to_owned();
    let labels = labels.into_iter().map(|(key, value)| (beginning(key), beginning(value)));
    let mut labels: Vec<_> = labels.collect();
    labels.sort();
    labels
}

/// Joins the values of each key, in the order of the recorded keys. Entries of one recorded key keep their order. Only the first labels are served.
fn joined(mut entries: Vec<(String, String, String)>) -> Labels {
    entries.sort_by(|(a, x, _), (b, y, _)| (a, x).cmp(&(b, y)));
    entries.retain(|(_, _, value)| !value.is_empty());
    let mut labels = Labels::new();
    for (key, _, value) in entries {
        labels
            .entry(key)
            .and_modify(|joined| {
                joined.push(';');
                joined.push_str(&value);
            })
            .or_insert(value);
    }
    let first: BTreeSet<_> = labels.keys().take(MAX_LABELS).cloned().collect();
    labels.retain(|key, _| first.contains(key));
    labels
}

/// Each run of `_` and of characters that are not valid is one `_`.
fn label_key(key: &str) -> String {
    let mut label = match key.chars().next() {
        None => "key",
        Some('0'..='9') => "key_",
        Some(_) => "",
    }
    .to_owned();
    for c in key.chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        if c != '_' || !label.ends_with('_') {
            label.push(c);
        }
    }
    label
}

const SCOPE_PREFIX: &str = "otel_scope_";
const NAME: &str = "otel_scope_name";
const VERSION: &str = "otel_scope_version";
const SCHEMA_URL: &str = "otel_scope_schema_url";
const MAX_LABELS: usize = 64;
/// Bytes that no text is truncated to less than.
const BEGINNING: usize = 150;
