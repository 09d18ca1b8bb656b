//! The names that each convention gives the metrics of requests.

use std::borrow::Cow;

use crate::promql::{Renamed, Renames};
use crate::reader::Histogram;

/// A naming convention of the HTTP layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Convention {
    /// `http_requests_total`, `http_request_duration_seconds`
    #[default]
    Prometheus,
    /// `http_server_request_duration_seconds`, `rpc_server_call_duration_seconds`
    #[value(name = "opentelemetry")]
    OpenTelemetry,
}

impl Convention {
    pub(crate) fn requests(self) -> &'static Requests {
        match self {
            Self::Prometheus => &PROMETHEUS,
            Self::OpenTelemetry => &OPENTELEMETRY,
        }
    }

    /// Where the rules are. `rules/*.yml` does not match the files of the second convention, which record the same names.
    pub(crate) fn rules_directory(self) -> &'static str {
        match self {
            Self::Prometheus => "rules",
            Self::OpenTelemetry => "rules/opentelemetry",
        }
    }
}

/// The metrics of the requests to a service. Names have no namespace.
#[derive(Debug)]
pub(crate) struct Requests {
    /// A metric, for the comments.
    pub(crate) example: &'static str,
    /// Counts each request when it ends.
    pub(crate) count: Series,
    /// Counts the requests that failed, for whatever reason.
    pub(crate) failed: Series,
    /// Count the requests that count against the objective, each of them once.
    pub(crate) errors: &'static [Series],
    /// Counts the label sets that were beyond a series limit, unless they have the label `otel_metric_overflow`.
    pub(crate) overflow: Option<Series>,
    /// The histogram of durations.
    pub(crate) duration: Histogram,
    pub(crate) in_flight: &'static str,
    pub(crate) renames: Renames,
    pub(crate) texts: Texts,
}

/// Series that count.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: Cow<'static, str>,
    /// As in a selector.
    pub(crate) matchers: Cow<'static, str>,
    pub(crate) kind: Kind,
}

impl Series {
    /// A pattern of the names under which a server may store the series.
    pub(crate) fn stored(&self) -> String {
        match self.kind {
            Kind::Counter => self.name.clone().into_owned(),
            Kind::Histogram => format!("{}(_count)?", self.name),
        }
    }
}

/// What counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A counter.
    Counter,
    /// The count of observations of a histogram.
    Histogram,
}

/// What the files say about the convention.
#[derive(Debug)]
pub(crate) struct Texts {
    /// The comment on the recording rules of requests.
    pub(crate) requests: &'static str,
    /// The comment on the recording rules of errors.
    pub(crate) errors: &'static str,
    /// The dashboard of requests: its file, its title, and the descriptions of two panels.
    pub(crate) dashboard: &'static str,
    pub(crate) title: &'static str,
    pub(crate) failed: &'static str,
    pub(crate) in_flight: &'static str,
}

const fn counter(name: &'static str, matchers: &'static str) -> Series {
    Series { name: Cow::Borrowed(name), matchers: Cow::Borrowed(matchers), kind: Kind::Counter }
}

const fn histogram(name: &'static str, matchers: &'static str) -> Series {
    Series { name: Cow::Borrowed(name), matchers: Cow::Borrowed(matchers), kind: Kind::Histogram }
}

static PROMETHEUS: Requests = Requests {
    example: "http_requests_total",
    count: counter("http_requests_total", ""),
    failed: counter("http_requests_failed_total", ""),
    errors: &[counter(
        "http_requests_failed_total",
        r#"error_type!~"client_error|cancelled|aborted""#,
    )],
    overflow: Some(counter("http_requests_total", r#"endpoint="_OVERFLOW""#)),
    duration: Histogram::named("http_request_duration_seconds"),
    in_flight: "http_requests_in_flight",
    renames: Renames::NONE,
    texts: Texts {
        requests: "A histogram has 14 series for each endpoint and method. Its rates are therefore summed once, and the \
                   quantiles read the sums.",
        errors: "Errors are server errors: 5xx, timeouts, panics, incomplete bodies, gRPC statuses. Client errors and \
                 disconnects are not included.",
        dashboard: "http",
        title: "HTTP",
        failed: "Includes client errors and clients that disconnected.",
        in_flight: "Requests that have started and not ended.",
    },
};

/// A request is in one of two histograms: a gRPC call in `rpc.server.call.duration`, every other request in
/// `http.server.request.duration`. Their counts are the only counters.
static OPENTELEMETRY: Requests = Requests {
    example: "http_server_request_duration_seconds_count",
    count: histogram(OPENTELEMETRY_DURATION, ""),
    failed: histogram(OPENTELEMETRY_DURATION, r#"error_type!="""#),
    errors: &[
        histogram(OPENTELEMETRY_DURATION, r#"error_type!="", error_type!~"cancelled|aborted""#),
        // As in the other convention, the 408 of a timeout is an error, although it has no `error_type` in this one.
        histogram(
            "http_server_request_duration_seconds",
            r#"error_type="", http_response_status_code="408""#,
        ),
    ],
    overflow: None,
    duration: Histogram { name: OPENTELEMETRY_DURATION, renames: OPENTELEMETRY_RENAMES },
    in_flight: "http_server_active_requests",
    renames: OPENTELEMETRY_RENAMES,
    texts: Texts {
        requests: "The recorded series have the names and labels of the other convention, so that the alerts are the same: \
                   `endpoint` is `http_route` or `rpc_method`, `_UNMATCHED` without a route; `method` is \
                   `http_request_method`, or `grpc`; `status` is the HTTP status, or the gRPC status by name, or `_NONE` \
                   if no response was sent or, beyond the series limit, the status is not known.\n\
                   \n\
                   A histogram has 17 series for each label set. Its rates are therefore summed once, and the quantiles \
                   read the sums.",
        errors: "Errors are server errors: 5xx, timeouts, panics, incomplete bodies, gRPC statuses. Client errors have no \
                 `error_type`. Disconnects are not included.",
        dashboard: "http-opentelemetry",
        title: "HTTP and gRPC, OpenTelemetry's names",
        failed: "Includes clients that disconnected. Client errors (4xx) are no failures in this convention.",
        in_flight: "Requests that have started and not ended, of services that enable `with_active_requests`.",
    },
};

/// Both histograms.
const OPENTELEMETRY_DURATION: &str = "(http_server_request|rpc_server_call)_duration_seconds";

const OPENTELEMETRY_RENAMES: Renames = Renames(&[
    Renamed {
        label: "endpoint",
        from: &["http_route", "rpc_method"],
        replaced: &[("_UNMATCHED", "endpoint", ""), ("_OVERFLOW", "otel_metric_overflow", "true")],
    },
    Renamed { label: "method", from: &["http_request_method", "rpc_system_name"], replaced: &[] },
    Renamed {
        label: "status",
        from: &["http_response_status_code", "rpc_response_status_code"],
        replaced: &[("_NONE", "status", "")],
    },
]);
