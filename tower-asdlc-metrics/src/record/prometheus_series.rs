//! The labels of Prometheus' convention, and the series that have them.

use crate::labels::ending::Ending;
use crate::labels::names::HttpLabel;
use crate::labels::prometheus_labels::PrometheusLabels;
use crate::labels::request_labels::RequestLabels;
use crate::labels::response_label::ResponseLabel;
use crate::labels::user_label::UserLabel;
use crate::labels::values::{OTHER, OVERFLOW};
use crate::record::hosts::Hosts;
use crate::record::instruments::{
    CounterSeries, HistogramSeries, PrometheusInstruments, UpDownCounterSeries,
};
use crate::record::route::{RouteHistograms, RouteKey, SDK_OVERFLOW};
use crate::record::settings::Settings;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

/// Creates series with the labels of Prometheus' convention.
#[derive(Clone, Copy)]
pub(crate) struct PrometheusSeries<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) hosts: Option<&'a Hosts>,
    /// Whether exemplars are recorded.
    pub(crate) has_exemplars: bool,
}

/// The series of one ending of a route.
#[derive(Debug)]
pub(crate) struct PrometheusEnding {
    pub(crate) requests: CounterSeries,
    pub(crate) failed: Option<CounterSeries>,
    /// `None` for streaming endpoints.
    pub(crate) duration: Option<HistogramSeries>,
    pub(crate) response_body_size: Option<HistogramSeries>,
}

impl PrometheusEnding {
    /// Whether all series but that of body sizes have a sink for exemplars.
    pub(crate) fn has_sinks(&self) -> bool {
        let Self { requests, failed, duration, response_body_size: _ } = self;
        requests.sink().is_some()
            && failed.as_ref().is_none_or(|failed| failed.sink().is_some())
            && duration.as_ref().is_none_or(|duration| duration.sink().is_some())
    }
}

impl PrometheusSeries<'_> {
    /// The labels that all series of a route have.
    pub(crate) fn of_route(self, key: RouteKey<'_>) -> Vec<KeyValue> {
        let Settings { has_endpoints, names, methods, user_labels, .. } = self.settings;
        let mut labels = Vec::with_capacity(8);
        if *has_endpoints {
            labels.push(pair(names.key(HttpLabel::Endpoint), key.endpoint));
        }
        labels.extend(self.host(key.labels));
        labels.push(pair(names.key(HttpLabel::Method), methods.name(key.labels.method())));
        let own = UserLabel::pairs(user_labels, key.labels.user_labels());
        labels.extend(own.map(|(key, value)| pair(key, value)));
        labels.extend((key.endpoint == OVERFLOW).then(|| KeyValue::new(SDK_OVERFLOW, true)));
        labels
    }

    fn host(self, labels: RequestLabels) -> Option<KeyValue> {
        let host = self.hosts?.get(labels.host()).map_or(OTHER, |host| host.authority());
        Some(pair(self.settings.names.key(HttpLabel::Host), host))
    }

    pub(crate) fn in_flight(
        self,
        instruments: &PrometheusInstruments,
        labels: RequestLabels,
    ) -> Option<UpDownCounterSeries> {
        let Settings { names, methods, .. } = self.settings;
        let method = pair(names.key(HttpLabel::Method), methods.name(labels.method()));
        let labels: Vec<_> = self.host(labels).into_iter().chain([method]).collect();
        Some(UpDownCounterSeries::new(instruments.in_flight.as_ref()?, &labels))
    }

    pub(crate) fn of_ending(
        self,
        instruments: &PrometheusInstruments,
        key: RouteKey<'_>,
        ending: Ending,
        is_streaming: bool,
    ) -> PrometheusEnding {
        let Settings { side, names, response_labels, has_status_on_duration, .. } = self.settings;
        let PrometheusLabels { status, grpc_status, error_type } =
            PrometheusLabels::of(ending, *side, is_streaming);
        let mut labels = self.of_route(key);
        let set = ResponseLabel::pairs(response_labels, ending.response_labels());
        labels.extend(set.map(|(key, value)| pair(key, value)));
        let response_body_size = instruments
            .body_sizes
            .as_ref()
            .map(|sizes| HistogramSeries::new(&sizes.response, &labels));
        let without_status = labels.len();
        labels.push(pair(names.key(HttpLabel::Status), &status));
        let duration = &labels[..without_status + usize::from(*has_status_on_duration)];
        let duration = (!is_streaming).then(|| self.histogram(&instruments.duration, duration));
        labels.extend(
            grpc_status.map(|status| pair(names.key(HttpLabel::GrpcStatus), status.as_str())),
        );
        let requests = self.counter(&instruments.requests, &labels);
        let failed = error_type.map(|error_type| {
            labels.push(pair(names.key(HttpLabel::ErrorType), error_type.as_str()));
            self.counter(&instruments.failed, &labels)
        });
        PrometheusEnding { requests, failed, duration, response_body_size }
    }

    fn counter(self, counter: &Counter<u64>, labels: &[KeyValue]) -> CounterSeries {
        let new = if self.has_exemplars { CounterSeries::with_sink } else { CounterSeries::new };
        new(counter, labels)
    }

    fn histogram(self, histogram: &Histogram<f64>, labels: &[KeyValue]) -> HistogramSeries {
        let new =
            if self.has_exemplars { HistogramSeries::with_sink } else { HistogramSeries::new };
        new(histogram, labels)
    }

    /// `None` if the histograms have labels of the ending.
    pub(crate) fn of_route_without_ending(
        self,
        instruments: &PrometheusInstruments,
        key: RouteKey<'_>,
        is_streaming: bool,
    ) -> Option<RouteHistograms> {
        let Settings { response_labels, has_status_on_duration, .. } = self.settings;
        if *has_status_on_duration || !response_labels.is_empty() {
            return None;
        }
        let labels = self.of_route(key);
        let series = |instrument| HistogramSeries::new(instrument, &labels);
        let sizes = instruments.body_sizes.as_ref();
        Some(RouteHistograms {
            duration: (!is_streaming).then(|| series(&instruments.duration)),
            response_body_size: sizes.map(|sizes| series(&sizes.response)),
            request_body_size: sizes.map(|sizes| series(&sizes.request)),
        })
    }

    pub(crate) fn request_body_size(
        self,
        instruments: &PrometheusInstruments,
        key: RouteKey<'_>,
        ending: Ending,
    ) -> Option<HistogramSeries> {
        let mut labels = self.of_route(key);
        let set = ResponseLabel::pairs(&self.settings.response_labels, ending.response_labels());
        labels.extend(set.map(|(key, value)| pair(key, value)));
        Some(HistogramSeries::new(&instruments.body_sizes.as_ref()?.request, &labels))
    }
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue::new(key.to_owned(), value.to_owned())
}
