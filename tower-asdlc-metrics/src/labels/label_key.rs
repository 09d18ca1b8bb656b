//! The rule for the keys of labels. The other two crates have the same one; `tests/` compares them.

use crate::error::BuildError;

/// A key must match `[a-zA-Z_][a-zA-Z0-9_]*`, must not start with `__` (Prometheus' internal labels), must not be
/// [`RESERVED`], and must be lower case, as all keys of this crate are.
pub(crate) fn check_label_key(key: &str) -> Result<(), BuildError> {
    let invalid =
        |allowed: String| Err(BuildError::invalid("label key", format!("{key:?}"), allowed));
    let is_start = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !key.as_bytes().first().is_some_and(is_start) || !key.bytes().all(is_key) {
        invalid("must match [a-zA-Z_][a-zA-Z0-9_]*".into())
    } else if key.starts_with("__") {
        invalid("must not start with __".into())
    } else if RESERVED.contains(&key) {
        invalid(format!("must not be one of {}", RESERVED.join(", ")))
    } else if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
        invalid("must be lower case".into())
    } else {
        Ok(())
    }
}

/// The keys of this crate, the constant labels of the exporter, and the keys that Prometheus uses in histograms and summaries.
const RESERVED: [&str; 9] = [
    "method",
    "endpoint",
    "status",
    "error_type",
    "grpc_status",
    "service",
    "environment",
    "le",
    "quantile",
];
