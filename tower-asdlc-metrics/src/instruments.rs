//! Every metric of this crate: name, unit, description and label keys. Recording is in `recorder.rs`.
//!
//! Conventions (Prometheus' naming rules): counters end in `_total`; base units, in the name (`_seconds`); labels are lower
//! snake case and take values from a bounded set. The exporter adds the namespace prefix and the constant labels.

#[cfg(feature = "bound")]
pub(crate) use crate::bound::{CounterSeries, HistogramSeries};
use crate::labels::{MethodId, StatusLabel};
#[cfg(not(feature = "bound"))]
pub(crate) use crate::unbound::{CounterSeries, HistogramSeries};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};

#[derive(Debug)]
pub(crate) struct Instruments {
    /// `http_requests_total{endpoint,method,status}`
    requests: Counter<u64>,
    /// `http_request_duration_seconds{endpoint,method}`: no status, which would multiply the buckets.
    duration: Histogram<f64>,
}

impl Instruments {
    pub(crate) fn new(meter: &Meter, boundaries: Vec<f64>) -> Self {
        Self {
            requests: meter
                .u64_counter("http_requests_total")
                .with_description("HTTP requests, counted when they end.")
                .build(),
            duration: meter
                .f64_histogram("http_request_duration_seconds")
                .with_unit("s")
                .with_description("Time from the request's head to the end of the response's body.")
                .with_boundaries(boundaries)
                .build(),
        }
    }

    pub(crate) fn requests(
        &self,
        method: MethodId,
        endpoint: &str,
        status: StatusLabel,
    ) -> CounterSeries {
        let mut attributes = route(method, endpoint);
        attributes.push(KeyValue::new("status", status.as_str().to_owned()));
        CounterSeries::new(&self.requests, &attributes)
    }

    pub(crate) fn duration(&self, method: MethodId, endpoint: &str) -> HistogramSeries {
        HistogramSeries::new(&self.duration, &route(method, endpoint))
    }
}

/// In alphabetical order: unbound, the SDK finds attributes in that order without sorting a copy.
fn route(method: MethodId, endpoint: &str) -> Vec<KeyValue> {
    vec![KeyValue::new("endpoint", endpoint.to_owned()), KeyValue::new("method", method.as_str())]
}

/// Prometheus' default buckets, in seconds.
pub(crate) const DEFAULT_BOUNDARIES: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
