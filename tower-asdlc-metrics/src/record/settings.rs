use crate::labels::catch_panic::catch_panic;
use crate::labels::client_error::KnownErrors;
use crate::labels::endpoint::AnyEndpoint;
use crate::labels::exclusions::Exclusions;
use crate::labels::methods::Methods;
use crate::labels::names::Names;
use crate::labels::protocol::UrlScheme;
use crate::labels::request_head::RequestHead;
use crate::labels::response_label::ResponseLabel;
use crate::labels::side::Side;
use crate::labels::user_label::UserLabel;
use crate::record::hosts::HostSettings;
use std::fmt;

/// What the builder configured, except for the instruments.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) side: Side,
    pub(crate) endpoint: AnyEndpoint,
    /// Most clients have no endpoints; their `endpoint` is always empty.
    pub(crate) has_endpoints: bool,
    pub(crate) names: Names,
    /// Whether the latency of Prometheus' convention has the label `status`.
    pub(crate) has_status_on_duration: bool,
    pub(crate) methods: Methods,
    pub(crate) url_scheme: Option<ReadScheme>,
    /// Always set on a client.
    pub(crate) hosts: Option<HostSettings>,
    pub(crate) user_labels: Vec<UserLabel>,
    pub(crate) response_labels: Vec<ResponseLabel>,
    /// The errors that a client's layer knows.
    pub(crate) errors: KnownErrors,
    pub(crate) exclusions: Exclusions,
    /// Endpoints whose requests last until the client leaves.
    pub(crate) streaming_endpoints: Vec<String>,
    /// Whether the current span of `tracing` can be the span of a request.
    #[cfg(feature = "tracing-opentelemetry")]
    pub(crate) reads_tracing_spans: bool,
    /// The series limit of each family.
    pub(crate) max_series: usize,
}

/// Returns the scheme of the URL that the client requested.
pub(crate) struct ReadScheme(
    pub(crate) Box<dyn for<'a> Fn(RequestHead<'a>) -> http::uri::Scheme + Send + Sync>,
);

impl ReadScheme {
    /// If the function panics, the scheme is `http`.
    pub(crate) fn of(&self, head: RequestHead<'_>) -> UrlScheme {
        UrlScheme::of(catch_panic(|| (self.0)(head)).as_ref())
    }
}

impl fmt::Debug for ReadScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadScheme")
    }
}
