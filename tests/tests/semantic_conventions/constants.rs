//! The names of the document are those of the crate `opentelemetry-semantic-conventions`.

use std::collections::BTreeSet;

use opentelemetry_semantic_conventions::{SCHEMA_URL, attribute, metric};
use tower_asdlc_metrics::SEMANTIC_SCHEMA_URL;

use super::specification::Metric;

// X-10 X-11
#[test]
fn the_names_of_metrics_and_attributes_are_the_constants_of_the_crate() {
    let metrics = Metric::all();
    let names: Vec<_> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, METRICS);
    let keys: BTreeSet<_> = metrics
        .iter()
        .flat_map(|metric| &metric.attributes)
        .map(|attribute| attribute.key.as_str())
        .collect();
    assert_eq!(keys, ATTRIBUTES.into());
}

// X-10 X-11
#[test]
fn the_differences_to_the_crate_are_listed() {
    for (of_crate, ours, reason) in DIFFERENCES {
        assert_ne!(of_crate, ours, "no difference any more: {reason}");
    }
    assert_eq!(DIFFERENCES[0].0, "https://opentelemetry.io/schemas/1.42.0");
    assert_eq!(DIFFERENCES[0].1, "https://opentelemetry.io/schemas/1.44.0");
}

const METRICS: [&str; 10] = [
    metric::HTTP_SERVER_REQUEST_DURATION,
    metric::HTTP_SERVER_ACTIVE_REQUESTS,
    metric::HTTP_SERVER_REQUEST_BODY_SIZE,
    metric::HTTP_SERVER_RESPONSE_BODY_SIZE,
    metric::RPC_SERVER_CALL_DURATION,
    metric::HTTP_CLIENT_REQUEST_DURATION,
    metric::HTTP_CLIENT_ACTIVE_REQUESTS,
    metric::HTTP_CLIENT_REQUEST_BODY_SIZE,
    metric::HTTP_CLIENT_RESPONSE_BODY_SIZE,
    metric::RPC_CLIENT_CALL_DURATION,
];

const ATTRIBUTES: [&str; 14] = [
    attribute::HTTP_REQUEST_METHOD,
    attribute::HTTP_RESPONSE_STATUS_CODE,
    attribute::HTTP_ROUTE,
    attribute::ERROR_TYPE,
    attribute::NETWORK_PROTOCOL_NAME,
    attribute::NETWORK_PROTOCOL_VERSION,
    attribute::RPC_METHOD,
    attribute::RPC_RESPONSE_STATUS_CODE,
    attribute::RPC_SYSTEM_NAME,
    attribute::SERVER_ADDRESS,
    attribute::SERVER_PORT,
    attribute::URL_SCHEME,
    attribute::URL_TEMPLATE,
    attribute::USER_AGENT_SYNTHETIC_TYPE,
];

/// The constant of the crate, what the layers have, and why.
const DIFFERENCES: [(&str, &str, &str); 1] = [(
    SCHEMA_URL,
    SEMANTIC_SCHEMA_URL,
    "version 0.33.1 of the crate was generated from 1.42.0. The metrics and attributes of HTTP and RPC are the same in 1.44.0",
)];
