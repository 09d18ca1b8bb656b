//! Label values that stand for more than one thing.

/// The label value for everything outside a closed set, as in OpenTelemetry's conventions: an unknown method, a gRPC method
/// that is not in the list, or a value that is not in the list of your own label.
pub const OTHER: &str = "_OTHER";

/// The `endpoint` of requests that match no route.
pub const UNMATCHED: &str = "_UNMATCHED";

/// The `endpoint` of requests whose label sets are beyond the [series limit](crate::HttpMetricsLayerBuilder::with_max_series).
pub const OVERFLOW: &str = "_OVERFLOW";
