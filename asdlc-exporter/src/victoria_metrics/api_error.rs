//! Errors of the proxy, in the format of the Prometheus HTTP API.

use http::StatusCode;
use std::borrow::Cow;

/// A row of the table of errors in the [module](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApiErrorType {
    BadData,
    NotFound,
    MethodNotAllowed,
    SlowRequest,
    TooLong,
    UnsupportedMediaType,
    /// `VictoriaMetrics` refused the query with this status.
    Execution(StatusCode),
    TooManyRequests,
    NotConfigured,
    Unreachable,
    ConnectionLost,
    Timeout,
    Unavailable,
    BadResponse,
    /// A 4xx that is not in the format of `VictoriaMetrics`. Clients get the same error as for
    /// [`BadResponse`](Self::BadResponse).
    ForeignError,
    TooLarge,
    Credentials,
}

impl ApiErrorType {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowRequest => StatusCode::REQUEST_TIMEOUT,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Execution(status) => status,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::NotConfigured
            | Self::Unreachable
            | Self::ConnectionLost
            | Self::Timeout
            | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadResponse | Self::ForeignError | Self::TooLarge | Self::Credentials => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    /// The field `errorType` of the response, and the label `outcome` of the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::SlowRequest => "slow_request",
            Self::TooLong => "too_long",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Execution(_) => "execution",
            Self::TooManyRequests => "too_many_requests",
            Self::NotConfigured => "not_configured",
            Self::Unreachable => "unreachable",
            Self::ConnectionLost => "connection_lost",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::BadResponse | Self::ForeignError => "bad_answer",
            Self::TooLarge => "too_large",
            Self::Credentials => "credentials",
        }
    }
}

/// An error that a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) error_type: ApiErrorType,
    /// It contains no text of `VictoriaMetrics`, except its message about the query.
    pub(super) message: Cow<'static, str>,
    /// The header `Retry-After`, in seconds.
    pub(super) retry_after: Option<u32>,
}

impl ApiError {
    pub(super) fn new(error_type: ApiErrorType, message: impl Into<Cow<'static, str>>) -> Self {
        Self { error_type, message: message.into(), retry_after: None }
    }

    pub(super) fn bad_data(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ApiErrorType::BadData, message)
    }

    pub(super) fn too_many_requests(retry_after: u32) -> Self {
        let message = "too many concurrent queries: try again later";
        let retry_after = Some(retry_after);
        Self { retry_after, ..Self::new(ApiErrorType::TooManyRequests, message) }
    }

    pub(super) fn timeout() -> Self {
        Self::new(ApiErrorType::Timeout, "VictoriaMetrics did not respond in time")
    }

    pub(super) fn connection_lost() -> Self {
        Self::new(ApiErrorType::ConnectionLost, "the connection to VictoriaMetrics was lost")
    }

    pub(super) fn bad_response(message: &'static str) -> Self {
        Self::new(ApiErrorType::BadResponse, message)
    }

    pub(super) fn too_large() -> Self {
        let message = "the response of VictoriaMetrics is larger than the limit of this proxy";
        Self::new(ApiErrorType::TooLarge, message)
    }

    pub(super) fn not_configured() -> Self {
        let message = "no VictoriaMetrics is configured for this service";
        Self::new(ApiErrorType::NotConfigured, message)
    }
}
