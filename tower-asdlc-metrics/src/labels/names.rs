//! The names of Prometheus' convention. An application that used another library can replace them by the names of that library,
//! so that its dashboards need no change.

use crate::labels::side::Side;
use std::fmt;

/// A metric of Prometheus' convention, which can have [another name](crate::HttpMetricsLayerBuilder::with_metric_name).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpMetric {
    /// `http_requests`, or `http_client_requests`.
    Requests,
    /// `http_requests_failed`, or `http_client_requests_failed`.
    FailedRequests,
    /// `http_request_duration`, or `http_client_request_duration`.
    RequestDuration,
    /// `http_requests_in_flight`, or `http_client_requests_in_flight`.
    RequestsInFlight,
    /// `http_response_headers_duration`, or `http_client_response_headers_duration`.
    ResponseHeadersDuration,
    /// `http_request_body_size`, or `http_client_request_body_size`.
    RequestBodySize,
    /// `http_response_body_size`, or `http_client_response_body_size`.
    ResponseBodySize,
    /// `http_upgraded_connections_in_flight`
    UpgradedConnectionsInFlight,
    /// `http_upgraded_connection_duration`
    UpgradedConnectionDuration,
}

/// A label of Prometheus' convention, which can have [another key](crate::HttpMetricsLayerBuilder::with_label_key).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpLabel {
    /// `method`
    Method,
    /// `endpoint`
    Endpoint,
    /// `status`
    Status,
    /// `error_type`
    ErrorType,
    /// `grpc_status`
    GrpcStatus,
    /// `host`
    Host,
}

/// The names of all metrics and the keys of all labels.
pub(crate) struct Names {
    side: Side,
    metrics: [Option<String>; HttpMetric::ALL.len()],
    keys: [Option<String>; HttpLabel::ALL.len()],
}

impl Names {
    pub(crate) fn new(side: Side) -> Self {
        Self { side, metrics: Default::default(), keys: Default::default() }
    }

    pub(crate) fn set_metric(&mut self, metric: HttpMetric, name: String) {
        self.metrics[metric as usize] = Some(name);
    }

    pub(crate) fn set_key(&mut self, label: HttpLabel, key: String) {
        self.keys[label as usize] = Some(key);
    }

    pub(crate) fn metric(&self, metric: HttpMetric) -> &str {
        let (server, client) = metric.default_names();
        let default = if self.side == Side::Server { server } else { client };
        self.metrics[metric as usize].as_deref().unwrap_or(default)
    }

    pub(crate) fn key(&self, label: HttpLabel) -> &str {
        self.keys[label as usize].as_deref().unwrap_or(label.default_key())
    }

    /// The names that the application has set.
    pub(crate) fn set_metrics(&self) -> impl Iterator<Item = (HttpMetric, &str)> {
        HttpMetric::ALL
            .into_iter()
            .filter_map(|metric| Some((metric, self.metrics[metric as usize].as_deref()?)))
    }

    /// The keys that the application has set.
    pub(crate) fn set_keys(&self) -> impl Iterator<Item = (HttpLabel, &str)> {
        HttpLabel::ALL
            .into_iter()
            .filter_map(|label| Some((label, self.keys[label as usize].as_deref()?)))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.set_metrics()).entries(self.set_keys()).finish()
    }
}

impl HttpMetric {
    pub(crate) const ALL: [Self; 9] = [
        Self::Requests,
        Self::FailedRequests,
        Self::RequestDuration,
        Self::RequestsInFlight,
        Self::ResponseHeadersDuration,
        Self::RequestBodySize,
        Self::ResponseBodySize,
        Self::UpgradedConnectionsInFlight,
        Self::UpgradedConnectionDuration,
    ];

    /// The names on a server and on a client.
    fn default_names(self) -> (&'static str, &'static str) {
        match self {
            Self::Requests => ("http_requests", "http_client_requests"),
            Self::FailedRequests => ("http_requests_failed", "http_client_requests_failed"),
            Self::RequestDuration => ("http_request_duration", "http_client_request_duration"),
            Self::RequestsInFlight => ("http_requests_in_flight", "http_client_requests_in_flight"),
            Self::ResponseHeadersDuration => {
                ("http_response_headers_duration", "http_client_response_headers_duration")
            }
            Self::RequestBodySize => ("http_request_body_size", "http_client_request_body_size"),
            Self::ResponseBodySize => ("http_response_body_size", "http_client_response_body_size"),
            // A client's layer does not have these two.
            Self::UpgradedConnectionsInFlight => ("http_upgraded_connections_in_flight", ""),

            Self::UpgradedConnectionDuration => ("http_upgraded_connection_duration", ""),
        }
    }

    /// Whether a layer of this side has the metric, in this convention.
    pub(crate) fn exists(self, side: Side, has_prometheus: bool) -> bool {
        match self {
            Self::UpgradedConnectionsInFlight | Self::UpgradedConnectionDuration => {
                side == Side::Server
            }
            Self::ResponseHeadersDuration => true,
            _ => has_prometheus,
        }
    }

    /// The words that a Prometheus exporter appends to the name.
    pub(crate) fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Requests | Self::FailedRequests => Some("_total"),
            Self::RequestDuration
            | Self::ResponseHeadersDuration
            | Self::UpgradedConnectionDuration => Some("_seconds"),
            Self::RequestBodySize | Self::ResponseBodySize => Some("_bytes"),
            Self::RequestsInFlight | Self::UpgradedConnectionsInFlight => None,
        }
    }
}

impl HttpLabel {
    pub(crate) const ALL: [Self; 6] =
        [Self::Method, Self::Endpoint, Self::Status, Self::ErrorType, Self::GrpcStatus, Self::Host];

    pub(crate) fn default_key(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Endpoint => "endpoint",
            Self::Status => "status",
            Self::ErrorType => "error_type",
            Self::GrpcStatus => "grpc_status",
            Self::Host => "host",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_and_label_is_at_its_number() {
        assert!(
            HttpMetric::ALL.map(|metric| metric as usize).into_iter().eq(0..HttpMetric::ALL.len())
        );
        assert!(HttpLabel::ALL.map(|label| label as usize).into_iter().eq(0..HttpLabel::ALL.len()));
    }
}
