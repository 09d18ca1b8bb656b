//! What went wrong, as the client is told.

use http::StatusCode;
use std::borrow::Cow;

/// One row of the table of errors in the [module](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    BadData,
    NotFound,
    MethodNotAllowed,
    SlowRequest,
    TooLong,
    UnsupportedMediaType,
    /// Refused by `VictoriaMetrics`, with this status.
    Refused(StatusCode),
    Busy,
    NotConfigured,
    Unreachable,
    ConnectionLost,
    Timeout,
    Unavailable,
    BadAnswer,
    /// A client error that is not in the format of `VictoriaMetrics`.
    ForeignError,
    TooLarge,
    Credentials,
}

impl Kind {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowRequest => StatusCode::REQUEST_TIMEOUT,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Refused(status) => status,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::NotConfigured
            | Self::Unreachable
            | Self::ConnectionLost
            | Self::Timeout
            | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadAnswer | Self::ForeignError | Self::TooLarge | Self::Credentials => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    /// `errorType` in the answer and `outcome` in the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::SlowRequest => "slow_request",
            Self::TooLong => "too_long",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Refused(_) => "execution",
            Self::Busy => "too_many_requests",
            Self::NotConfigured => "not_configured",
            Self::Unreachable => "unreachable",
            Self::ConnectionLost => "connection_lost",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::BadAnswer | Self::ForeignError => "bad_answer",
            Self::TooLarge => "too_large",
            Self::Credentials => "credentials",
        }
    }
}

/// An error in the words of the Prometheus API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// For clients: of `VictoriaMetrics` it names nothing but what it said of a query.
    pub(super) message: Cow<'static, str>,
    /// Seconds.
    pub(super) retry_after: Option<u32>,
}

impl Failure {
    pub(super) fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }

    pub(super) fn bad_data(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::BadData, message)
    }

    pub(super) fn busy(retry_after: u32) -> Self {
        let message = "too many queries at a time: try again later";
        Self { retry_after: Some(retry_after), ..Self::new(Kind::Busy, message) }
    }

    pub(super) fn timeout() -> Self {
        Self::new(Kind::Timeout, "VictoriaMetrics did not answer in time")
    }

    pub(super) fn connection_lost() -> Self {
        Self::new(Kind::ConnectionLost, "the connection to VictoriaMetrics was lost")
    }

    pub(super) fn bad_answer(message: &'static str) -> Self {
        Self::new(Kind::BadAnswer, message)
    }

    pub(super) fn too_large() -> Self {
        Self::new(Kind::TooLarge, "the answer of VictoriaMetrics is larger than allowed here")
    }

    pub(super) fn not_configured() -> Self {
        Self::new(Kind::NotConfigured, "no VictoriaMetrics is configured for this service")
    }
}
