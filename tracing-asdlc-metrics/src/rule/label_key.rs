//! Which label keys are allowed.

/// Accepts what every metrics backend accepts, except the keys that Prometheus reserves. The error says what is allowed.
///
/// The other two crates have the same rule, and reserve other keys in addition: see `tests/tests/shared_rules.rs`.
pub(crate) fn check_label_key(key: &str) -> Result<(), &'static str> {
    let is_valid = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_valid {
        Err("must match [a-zA-Z_][a-zA-Z0-9_]*")
    } else if key.starts_with("__") {
        Err("must not start with __")
    } else if RESERVED.contains(&key) {
        Err("must not be le or quantile")
    } else if key.len() > MAX_KEY_BYTES {
        Err("must have at most 256 bytes")
    } else {
        Ok(())
    }
}

/// Prometheus writes these keys itself, in histograms and summaries.
const RESERVED: [&str; 2] = ["le", "quantile"];
const MAX_KEY_BYTES: usize = 256;
