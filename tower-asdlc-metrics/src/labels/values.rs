//! Label values that replace other values: unknown ones, a missing route, and label sets beyond the series limit.

/// The label value for everything outside a closed set, as in OpenTelemetry's conventions: an unknown method, a gRPC method
/// that is not in the list, a host without a value of its own, or a value of your own label that is not in its list.
pub const OTHER: &str = "_OTHER";

/// The `endpoint` of requests that match no route.
pub const UNMATCHED: &str = "_UNMATCHED";

/// The `endpoint` of requests whose label sets are beyond the [series limit](crate::HttpMetricsLayerBuilder::with_max_series).
/// These series also have the attribute `otel.metric.overflow` = `true`.
pub const OVERFLOW: &str = "_OVERFLOW";

/// The `status` of a client's request that got no response.
pub const NONE: &str = "_NONE";
