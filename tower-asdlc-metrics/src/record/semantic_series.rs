//! The attributes of OpenTelemetry's conventions, and the series that have them.

use crate::labels::attributes::{
    ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE,
    NETWORK_PROTOCOL_VERSION, RPC_METHOD, RPC_RESPONSE_STATUS_CODE, RPC_SYSTEM_NAME,
    SERVER_ADDRESS, SERVER_PORT, URL_SCHEME, URL_TEMPLATE,
};
use crate::labels::ending::Ending;
use crate::labels::request_labels::RequestLabels;
use crate::labels::response_label::ResponseLabel;
use crate::labels::semantic_labels::SemanticLabels;
use crate::labels::side::Side;
use crate::labels::user_label::UserLabel;
use crate::labels::values::{OTHER, OVERFLOW, UNMATCHED};
use crate::record::hosts::Hosts;
use crate::record::instruments::{HistogramSeries, SemanticInstruments, UpDownCounterSeries};
use crate::record::route::{RouteKey, SDK_OVERFLOW};
use crate::record::settings::Settings;
use opentelemetry::{KeyValue, Value};

/// Creates series with the attributes of OpenTelemetry's conventions.
#[derive(Clone, Copy)]
pub(crate) struct SemanticSeries<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) hosts: Option<&'a Hosts>,
    /// Whether exemplars are recorded.
    pub(crate) has_exemplars: bool,
}

/// The series of one ending of a route.
#[derive(Debug)]
pub(crate) struct SemanticEnding {
    /// Of HTTP requests, or of gRPC calls.
    pub(crate) duration: HistogramSeries,
    pub(crate) response_body_size: Option<HistogramSeries>,
}

impl SemanticSeries<'_> {
    /// The attributes that all HTTP series of a route have.
    pub(crate) fn of_route(self, key: RouteKey<'_>) -> Vec<KeyValue> {
        let mut attributes = self.of_request(key.labels);
        if let Some(route) = named(key.endpoint) {
            let is_server = self.settings.side == Side::Server;
            let key = if is_server { HTTP_ROUTE } else { URL_TEMPLATE };
            attributes.push(pair(key, route.to_owned()));
        }
        self.add_own(&mut attributes, key);
        attributes
    }

    /// The method, and the scheme or the server.
    fn of_request(self, labels: RequestLabels) -> Vec<KeyValue> {
        let Settings { side, methods, .. } = self.settings;
        let method = methods.name(labels.method()).to_owned();
        let mut attributes = vec![pair(HTTP_REQUEST_METHOD, method)];
        if *side == Side::Server {
            attributes.push(pair(URL_SCHEME, labels.scheme().as_str()));
        }
        self.add_server(&mut attributes, labels);
        attributes
    }

    fn add_server(self, attributes: &mut Vec<KeyValue>, labels: RequestLabels) {
        match self.hosts.map(|hosts| hosts.get(labels.host())) {
            None => {}
            // `_OTHER` stands for several hosts, which have no common port.
            Some(None) => attributes.push(pair(SERVER_ADDRESS, OTHER)),
            Some(Some(host)) => {
                attributes.push(pair(SERVER_ADDRESS, host.address().to_owned()));
                attributes.push(pair(SERVER_PORT, i64::from(host.port())));
            }
        }
    }

    /// The labels of the application, and the mark of the series beyond the series limit.
    fn add_own(self, attributes: &mut Vec<KeyValue>, key: RouteKey<'_>) {
        let own = UserLabel::pairs(&self.settings.user_labels, key.labels.user_labels());
        attributes.extend(own.map(|(key, value)| pair(key.to_owned(), value.to_owned())));
        if key.endpoint == OVERFLOW {
            attributes.push(pair(SDK_OVERFLOW, true));
        }
    }

    pub(crate) fn active_requests(
        self,
        instruments: &SemanticInstruments,
        labels: RequestLabels,
    ) -> Option<UpDownCounterSeries> {
        let attributes = self.of_request(labels);
        Some(UpDownCounterSeries::new(instruments.active_requests.as_ref()?, &attributes))
    }

    pub(crate) fn of_ending(
        self,
        instruments: &SemanticInstruments,
        key: RouteKey<'_>,
        ending: Ending,
        is_streaming: bool,
    ) -> SemanticEnding {
        let http = || self.of_http_ending(key, ending, is_streaming);
        let new =
            if self.has_exemplars { HistogramSeries::with_sink } else { HistogramSeries::new };
        let duration = if ending.grpc().is_grpc() {
            let attributes = self.of_call(key, ending, is_streaming);
            new(&instruments.call_duration, &attributes)
        } else {
            new(&instruments.request_duration, &http())
        };
        let sizes = instruments.body_sizes.as_ref();
        let response_body_size = sizes.map(|sizes| HistogramSeries::new(&sizes.response, &http()));
        SemanticEnding { duration, response_body_size }
    }

    pub(crate) fn request_body_size(
        self,
        instruments: &SemanticInstruments,
        key: RouteKey<'_>,
        ending: Ending,
        is_streaming: bool,
    ) -> Option<HistogramSeries> {
        let request = &instruments.body_sizes.as_ref()?.request;
        Some(HistogramSeries::new(request, &self.of_http_ending(key, ending, is_streaming)))
    }

    fn of_http_ending(
        self,
        key: RouteKey<'_>,
        ending: Ending,
        is_streaming: bool,
    ) -> Vec<KeyValue> {
        let labels = SemanticLabels::of(ending, self.settings.side, is_streaming);
        let SemanticLabels { status_code, grpc_status: _, error_type } = labels;
        let mut attributes = self.of_route(key);
        // An integer, as the convention requires.
        let status = status_code.map(|status| pair(HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
        attributes.extend(status);
        attributes.extend(error_type.map(|error_type| pair(ERROR_TYPE, error_type)));
        let version = ending.version().as_str();
        attributes.extend(version.map(|version| pair(NETWORK_PROTOCOL_VERSION, version)));
        self.add_response_labels(&mut attributes, ending);
        attributes
    }

    fn of_call(self, key: RouteKey<'_>, ending: Ending, is_streaming: bool) -> Vec<KeyValue> {
        let labels = SemanticLabels::of(ending, self.settings.side, is_streaming);
        let SemanticLabels { status_code: _, grpc_status, error_type } = labels;
        let method = rpc_method(key.endpoint).unwrap_or(OTHER).to_owned();
        let mut attributes = vec![pair(RPC_SYSTEM_NAME, "grpc"), pair(RPC_METHOD, method)];
        self.add_server(&mut attributes, key.labels);
        let status = grpc_status.map(|status| pair(RPC_RESPONSE_STATUS_CODE, status.as_str()));
        attributes.extend(status);
        attributes.extend(error_type.map(|error_type| pair(ERROR_TYPE, error_type)));
        self.add_own(&mut attributes, key);
        self.add_response_labels(&mut attributes, ending);
        attributes
    }

    fn add_response_labels(self, attributes: &mut Vec<KeyValue>, ending: Ending) {
        let labels = ResponseLabel::pairs(&self.settings.response_labels, ending.response_labels());
        attributes.extend(labels.map(|(key, value)| pair(key.to_owned(), value.to_owned())));
    }
}

fn pair(key: impl Into<opentelemetry::Key>, value: impl Into<Value>) -> KeyValue {
    KeyValue::new(key, value)
}

/// `None` for an endpoint that stands for several, and for a client without endpoints.
fn named(endpoint: &str) -> Option<&str> {
    (![UNMATCHED, OTHER, OVERFLOW, ""].contains(&endpoint)).then_some(endpoint)
}

/// `package.Service/Method` of an endpoint `/package.Service/Method`. A template, such as `/package.Service/{*rest}`, names no
/// method.
fn rpc_method(endpoint: &str) -> Option<&str> {
    let method = named(endpoint)?.strip_prefix('/')?;
    let (service, name) = method.split_once('/')?;
    let is_name = |part: &str| !part.is_empty() && !part.contains(['/', '{', '*', ':']);
    (is_name(service) && is_name(name)).then_some(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn a_template_or_a_replacement_is_no_rpc_method() {
        for (endpoint, expected) in [
            ("/pkg.Service/Method", Some("pkg.Service/Method")),
            ("/Service/Method", Some("Service/Method")),
            ("/pkg.Service/{*rest}", None),
            ("/{service}/{method}", None),
            ("/:service/x", None),
            ("/a/b/c", None),
            ("/a", None),
            ("/a/", None),
            ("pkg.Service/Method", None),
            ("_OTHER", None),
            ("_UNMATCHED", None),
            ("", None),
        ] {
            assert_eq!(rpc_method(endpoint), expected, "{endpoint}");
        }
    }
}
