//! Checks label keys, and makes a valid label key from any attribute key.

use crate::families::names::name::{push_collapsed, without_null};
use std::borrow::Cow;

/// What else the label keys of a point depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRules {
    /// The label that the format writes.
    pub(crate) reserved: Option<&'static str>,
    /// Whether valid keys are label keys already, because they are those of a registry.
    pub(crate) are_final: bool,
    pub(crate) style: KeyStyle,
}

/// Which keys labels can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeyStyle {
    /// Those that every scraper reads.
    #[default]
    Classic,
    /// Any text that is not empty, does not begin with `__`, and does not have the character 0.
    Utf8,
}

impl KeyStyle {
    /// Makes a valid label key from an attribute key.
    pub(crate) fn label_key(self, key: &str) -> Cow<'_, str> {
        match self {
            Self::Classic => label_key(key),
            Self::Utf8 => utf8_label_key(key),
        }
    }

    /// Checks the key of a constant label that is made from an attribute key. In UTF-8, only what the format
    /// or this crate writes itself is refused.
    pub(crate) fn check_constant_label_key(self, key: &str) -> Result<(), &'static str> {
        match self {
            Self::Classic => check_constant_label_key(key),
            Self::Utf8 => check_free_key(key),
        }
    }
}

impl KeyRules {
    pub(crate) fn label_key(self, key: &str) -> Cow<'_, str> {
        if self.are_final { final_label_key(key) } else { self.style.label_key(key) }
    }
}

/// Checks a label key or a namespace. The error says what is allowed.
pub(crate) fn check_label_key(key: &str) -> Result<(), &'static str> {
    let mut bytes = key.bytes();
    let starts_well = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !starts_well || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err("must match [a-zA-Z_][a-zA-Z0-9_]*");
    }
    // Prometheus reserves these keys for its own use.
    if key.starts_with("__") {
        return Err("must not start with __");
    }
    Ok(())
}

/// Checks the key of a constant label. Does the same as [`check_label_key`], and refuses the keys
/// that the format writes.
pub(crate) fn check_constant_label_key(key: &str) -> Result<(), &'static str> {
    check_label_key(key)?;
    check_free_key(key)
}

/// Refuses the keys that the format writes, and those of scopes.
fn check_free_key(key: &str) -> Result<(), &'static str> {
    if ["le", "quantile"].contains(&key) {
        return Err("must not be le or quantile");
    }
    if is_scope_key(key) {
        return Err("must not start with otel_scope_");
    }
    Ok(())
}

/// Checks the key of a constant label of an exporter that adds the label `service` itself.
pub(crate) fn check_key_beside_service(key: &str) -> Result<(), &'static str> {
    if ["service", "le", "quantile"].contains(&key) {
        return Err("must not be service, le or quantile");
    }
    check_constant_label_key(key)
}

/// Makes a label key in UTF-8 from an attribute key. Only what scrapers refuse is replaced. Prometheus reserves keys
/// that begin with `__`: `VictoriaMetrics` drops them, and Python's parser refuses the whole exposition.
fn utf8_label_key(key: &str) -> Cow<'_, str> {
    match without_null(key) {
        key if key.is_empty() => Cow::Borrowed("key"),
        key if key.starts_with("__") => Cow::Owned(format!("_{}", key.trim_start_matches('_'))),
        key => key,
    }
}

/// Makes a classic label key from an attribute key. Each run of `_` and of characters that Prometheus
/// rejects becomes one `_`, so no key begins with the `__` that Prometheus reserves.
///
/// A key that starts with a digit gets the prefix `key_`. The empty key becomes `key`.
pub(crate) fn label_key(key: &str) -> Cow<'_, str> {
    if check_label_key(key).is_ok() && !key.contains("__") {
        return Cow::Borrowed(key);
    }
    let mut label = String::with_capacity("key_".len() + key.len());
    if key.is_empty() {
        label.push_str("key");
    } else if key.starts_with(|c: char| c.is_ascii_digit()) {
        label.push_str("key_");
    }
    push_collapsed(&mut label, key, |c| c.is_ascii_alphanumeric() || c == '_');
    Cow::Owned(label)
}

/// Makes a valid label key from a label key of a registry. A valid key does not change.
fn final_label_key(key: &str) -> Cow<'_, str> {
    if check_label_key(key).is_ok() { Cow::Borrowed(key) } else { label_key(key) }
}

/// Whether a label key begins like the labels of scopes.
pub(crate) fn is_scope_key(key: &str) -> bool {
    key.starts_with(SCOPE_PREFIX)
}

/// The beginning of the labels of scopes, and of no other label if these are served.
pub(crate) const SCOPE_PREFIX: &str = "otel_scope_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys_become_valid() {
        for (key, expected) in [
            ("method", "method"),
            ("http.route", "http_route"),
            ("a__b", "a_b"),
            ("a..b", "a_b"),
            ("a_.b", "a_b"),
            ("co:lon", "co_lon"),
            ("_private", "_private"),
            ("1st", "key_1st"),
            ("", "key"),
            ("__name__", "_name_"),
            (".._x", "_x"),
            ("naïve", "na_ve"),
            ("\0", "_"),
        ] {
            assert_eq!(label_key(key), expected, "{key:?}");
            assert_eq!(check_label_key(&label_key(key)), Ok(()), "{key:?}");
        }
    }

    //
    #[test]
    fn keys_in_utf8_stay_unless_scrapers_refuse_them() {
        for (key, expected) in [
            ("http.route", "http.route"),
            ("1st", "1st"),
            ("a__b", "a__b"),
            ("__reserved__label", "_reserved__label"),
            ("__", "_"),
            ("co:lon", "co:lon"),
            ("\n\"", "\n\""),
            ("\0\0a\0", "_a_"),
            ("", "key"),
            ("__name__", "_name__"),
        ] {
            assert_eq!(KeyStyle::Utf8.label_key(key), expected, "{key:?}");
        }
        let final_rules =
            KeyRules { are_final: true, style: KeyStyle::Utf8, ..KeyRules::default() };
        assert_eq!(final_rules.label_key("a.b"), "a_b");
        assert_eq!(KeyStyle::Utf8.check_constant_label_key("a.b"), Ok(()));
        for refused in ["le", "quantile", "otel_scope_x.y"] {
            assert!(KeyStyle::Utf8.check_constant_label_key(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_valid_final_key_does_not_change() {
        for (key, expected) in [("a__b_", "a__b_"), ("a__b.", "a_b_"), ("__name__", "_name_")] {
            assert_eq!(final_label_key(key), expected);
        }
    }
}
