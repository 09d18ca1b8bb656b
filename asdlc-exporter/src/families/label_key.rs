//! Checks label keys, and makes a valid label key from any attribute key.

use crate::families::name::push_sanitized;
use std::borrow::Cow;

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
/// that the exporter or the format writes.
pub(crate) fn check_constant_label_key(key: &str) -> Result<(), &'static str> {
    check_label_key(key)?;
    if ["service", "le", "quantile"].contains(&key) {
        return Err("must not be service, le or quantile");
    }
    Ok(())
}

/// Makes a valid label key from an attribute key. A valid key does not change.
///
/// If a label must not start like the key, the key gets the prefix `key`: `1st` becomes `key_1st`,
/// `__name__` becomes `key__name__`. The empty key becomes `key`.
pub(crate) fn label_key(key: &str) -> Cow<'_, str> {
    if check_label_key(key).is_ok() {
        return Cow::Borrowed(key);
    }
    let mut label = String::with_capacity("key_".len() + key.len());
    if key.is_empty() || key.starts_with("__") {
        label.push_str("key");
    } else if key.starts_with(|c: char| c.is_ascii_digit()) {
        label.push_str("key_");
    }
    push_sanitized(&mut label, key, |c| c.is_ascii_alphanumeric() || c == '_');
    Cow::Owned(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys_become_valid() {
        for (key, expected) in [
            ("method", "method"),
            ("http.route", "http_route"),
            ("a__b", "a__b"),
            ("a..b", "a_b"),
            ("co:lon", "co_lon"),
            ("_private", "_private"),
            ("1st", "key_1st"),
            ("", "key"),
            ("__name__", "key__name__"),
            (".._x", "_x"),
            ("naïve", "na_ve"),
            ("\0", "_"),
        ] {
            assert_eq!(label_key(key), expected, "{key:?}");
            assert_eq!(check_label_key(&label_key(key)), Ok(()), "{key:?}");
        }
    }
}
