use crate::labels::attributes::RESERVED_ATTRIBUTES;

/// Checks the key of one of the layer's own labels, which may have its default key. The error says what is allowed.
pub(crate) fn check_own_key(key: &str, default: &str) -> Result<(), &'static str> {
    if key == default { Ok(()) } else { check_label_key(key) }
}

/// Checks the key of a label in OpenTelemetry's conventions, where keys have dots.
pub(crate) fn check_attribute_key(key: &str) -> Result<(), &'static str> {
    let exposed = key.replace('.', "_");
    if RESERVED_ATTRIBUTES.iter().any(|reserved| reserved.replace('.', "_") == exposed) {
        return Err("must not be an attribute of OpenTelemetry's conventions for HTTP and RPC");
    }
    if key.split('.').any(str::is_empty) {
        return Err("must match [a-zA-Z_][a-zA-Z0-9_.]*, without empty parts");
    }
    check_label_key(&exposed)
}

/// Checks the key of a user label. The error says what is allowed.
///
/// The other two crates have the same rule, but other reserved keys: see `tests/tests/shared_rules.rs`. Here a key must also be
/// lower case, like all keys of this crate.
pub(crate) fn check_label_key(key: &str) -> Result<(), &'static str> {
    let mut bytes = key.bytes();
    let has_valid_start = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !has_valid_start || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Err("must match [a-zA-Z_][a-zA-Z0-9_]*")
    } else if key.starts_with("__") {
        // Prometheus' internal labels.
        Err("must not start with __")
    } else if key.len() > MAX_KEY_BYTES {
        Err("must have at most 256 bytes")
    } else if RESERVED.contains(&key) {
        Err(
            "must not be method, endpoint, status, error_type, grpc_status, service, environment, le or quantile",
        )
    } else if key.bytes().any(|b| b.is_ascii_uppercase()) {
        Err("must be lower case")
    } else {
        Ok(())
    }
}

/// The keys of this crate, the constant labels of the exporter, and the keys that Prometheus uses in histograms and summaries.
const RESERVED: [&str; 9] = [
    "method",
    ENDPOINT,
    "status",
    "error_type",
    "grpc_status",
    "service",
    "environment",
    "le",
    "quantile",
];

/// The default key of the label with the endpoint.
const ENDPOINT: &str = "endpoint";

/// The exporter truncates longer keys.
const MAX_KEY_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reserved_key_is_in_the_message() {
        for key in RESERVED {
            let allowed = check_label_key(key).unwrap_err();
            assert!(allowed.split([' ', ',']).any(|word| word == key), "{allowed}");
        }
    }
}
