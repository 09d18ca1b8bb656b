//! The labels `status`, `grpc_status` and `error_type` of Prometheus' convention, which depend on how an exchange ended. Pure
//! functions.

use crate::labels::ending::{Ending, Status};
use crate::labels::grpc_status::GrpcStatus;
use crate::labels::outcome::Outcome;
use crate::labels::side::Side;
use crate::labels::values::{NONE, OTHER};
use http::StatusCode;
use std::borrow::Cow;

/// The labels of an ending.
#[derive(Debug)]
pub(crate) struct PrometheusLabels {
    pub(crate) status: Cow<'static, str>,
    /// Only for gRPC calls.
    pub(crate) grpc_status: Option<GrpcStatus>,
    /// Only for failed requests.
    pub(crate) error_type: Option<ErrorType>,
}

impl PrometheusLabels {
    /// `is_streaming` marks the endpoints whose requests last until the client leaves.
    pub(crate) fn of(ending: Ending, side: Side, is_streaming: bool) -> Self {
        let status = match (ending.status(), side) {
            (Status::Sent(status), _) => status.as_str().to_owned().into(),
            (Status::Other(_), _) => OTHER.into(),
            (Status::None, Side::Client) => NONE.into(),
            // nginx's "client closed request", which is widely used.
            (Status::None, Side::Server) if ending.outcome() == Outcome::Cancelled => "499".into(),
            (Status::None, Side::Server) => "500".into(),
        };
        Self {
            status,
            grpc_status: ending.grpc().label(ending.outcome(), ending.sent()),
            error_type: ErrorType::of(ending, is_streaming),
        }
    }
}

/// The values of `error_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorType {
    ClientError,
    ServerError,
    Timeout,
    Cancelled,
    Aborted,
    BodyError,
    ContentLengthMismatch,
    ServiceError,
    Panic,
    ConnectError,
    Reset,
}

impl ErrorType {
    /// All error types, in the order of their numbers.
    pub(crate) const ALL: [Self; 11] = [
        Self::ClientError,
        Self::ServerError,
        Self::Timeout,
        Self::Cancelled,
        Self::Aborted,
        Self::BodyError,
        Self::ContentLengthMismatch,
        Self::ServiceError,
        Self::Panic,
        Self::ConnectError,
        Self::Reset,
    ];

    /// `None` if the request has not failed.
    pub(crate) fn of(ending: Ending, is_streaming: bool) -> Option<Self> {
        let sent = match ending.status() {
            Status::Other(error) => return error.error_type,
            Status::Sent(status) => Some(status),
            Status::None => None,
        };
        Self::of_outcome(ending.outcome(), is_streaming).or_else(|| {
            let is_whole = matches!(ending.outcome(), Outcome::Complete | Outcome::Upgrade);
            let grpc_status = if is_whole {
                ending.grpc().label(ending.outcome(), sent)
            } else {
                // The client of a stream has left: only a status that was read may be a failure.
                ending.grpc().status()
            };
            sent.and_then(Self::of_status).or_else(|| Self::of_grpc(grpc_status?))
        })
    }

    /// The error type of a request that did not end as it should. It takes precedence over the status, which has a label of
    /// its own.
    pub(crate) fn of_outcome(outcome: Outcome, is_streaming: bool) -> Option<Self> {
        match outcome {
            Outcome::Complete | Outcome::Upgrade => None,
            // Here a client that leaves is not a failure.
            Outcome::Cancelled | Outcome::Aborted if is_streaming => None,
            Outcome::Cancelled => Some(Self::Cancelled),
            Outcome::Aborted => Some(Self::Aborted),
            Outcome::BodyError => Some(Self::BodyError),
            Outcome::LengthMismatch => Some(Self::ContentLengthMismatch),
            Outcome::ServiceError => Some(Self::ServiceError),
            Outcome::Panic => Some(Self::Panic),
            Outcome::ConnectError => Some(Self::ConnectError),
            Outcome::Timeout => Some(Self::Timeout),
            Outcome::Reset => Some(Self::Reset),
        }
    }

    fn of_status(status: StatusCode) -> Option<Self> {
        match status.as_u16() {
            // First, because it is the most frequent case.
            ..400 => None,
            408 | 504 => Some(Self::Timeout),
            400..=499 => Some(Self::ClientError),
            500..=599 => Some(Self::ServerError),
            _ => None,
        }
    }

    /// `server_error` is for the codes that OpenTelemetry's conventions for gRPC servers count as errors.
    fn of_grpc(status: GrpcStatus) -> Option<Self> {
        match status {
            GrpcStatus::Ok => None,
            GrpcStatus::Cancelled => Some(Self::Cancelled),
            GrpcStatus::DeadlineExceeded => Some(Self::Timeout),
            GrpcStatus::Unknown
            | GrpcStatus::Unimplemented
            | GrpcStatus::Internal
            | GrpcStatus::Unavailable
            | GrpcStatus::DataLoss => Some(Self::ServerError),
            _ => Some(Self::ClientError),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Aborted => "aborted",
            Self::BodyError => "body_error",
            Self::ContentLengthMismatch => "content_length_mismatch",
            Self::ServiceError => "service_error",
            Self::Panic => "panic",
            Self::ConnectError => "connect_error",
            Self::Reset => "reset",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::ending::Progress;
    use crate::labels::grpc_status::GrpcCall;
    use crate::labels::protocol::ProtocolVersion;

    fn ending(outcome: Outcome, status: Option<u16>, grpc: Option<u8>) -> Ending {
        let grpc = grpc.map_or(GrpcCall::NOT_GRPC, GrpcCall);
        let mut progress = Progress::new(ProtocolVersion::Unknown, grpc);
        if let Some(status) = status {
            progress.set_status(StatusCode::from_u16(status).unwrap());
        }
        progress.end(outcome)
    }

    fn labels(
        ending: Ending,
        side: Side,
        is_streaming: bool,
    ) -> (Cow<'static, str>, Option<&'static str>) {
        let labels = PrometheusLabels::of(ending, side, is_streaming);
        (labels.status, labels.error_type.map(ErrorType::as_str))
    }

    //
    #[test]
    fn each_outcome_has_a_status_and_failures_have_an_error_type() {
        for (outcome, status, grpc, expected, error) in [
            (Outcome::Complete, Some(200), None, "200", None),
            (Outcome::Complete, Some(302), None, "302", None),
            (Outcome::Complete, Some(404), None, "404", Some("client_error")),
            (Outcome::Complete, Some(408), None, "408", Some("timeout")),
            (Outcome::Complete, Some(500), None, "500", Some("server_error")),
            (Outcome::Complete, Some(504), None, "504", Some("timeout")),
            (Outcome::Complete, Some(799), None, "799", None),
            (Outcome::Upgrade, Some(101), None, "101", None),
            (Outcome::Cancelled, None, None, "499", Some("cancelled")),
            (Outcome::Aborted, Some(200), None, "200", Some("aborted")),
            (Outcome::Aborted, Some(500), None, "500", Some("aborted")),
            (Outcome::BodyError, Some(200), None, "200", Some("body_error")),
            (Outcome::LengthMismatch, Some(200), None, "200", Some("content_length_mismatch")),
            (Outcome::ServiceError, None, None, "500", Some("service_error")),
            (Outcome::Panic, None, None, "500", Some("panic")),
            (Outcome::Panic, Some(200), None, "200", Some("panic")),
            (Outcome::Complete, Some(200), Some(0), "200", None),
            (Outcome::Complete, Some(200), Some(1), "200", Some("cancelled")),
            (Outcome::Complete, Some(200), Some(2), "200", Some("server_error")),
            (Outcome::Complete, Some(200), Some(4), "200", Some("timeout")),
            (Outcome::Complete, Some(200), Some(5), "200", Some("client_error")),
            (Outcome::Complete, Some(200), Some(3), "200", Some("client_error")),
        ] {
            assert_eq!(
                labels(ending(outcome, status, grpc), Side::Server, false),
                (expected.into(), error),
                "{outcome:?} {status:?} {grpc:?}"
            );
        }
    }

    //
    #[test]
    fn a_client_invents_no_status() {
        for (outcome, error) in [
            (Outcome::ConnectError, "connect_error"),
            (Outcome::Timeout, "timeout"),
            (Outcome::Reset, "reset"),
            (Outcome::ServiceError, "service_error"),
            (Outcome::Cancelled, "cancelled"),
            (Outcome::Panic, "panic"),
        ] {
            let labels = labels(ending(outcome, None, None), Side::Client, false);
            assert_eq!(labels, ("_NONE".into(), Some(error)), "{outcome:?}");
        }
    }

    #[test]
    fn each_error_type_is_at_its_number() {
        let numbers = ErrorType::ALL.map(|error_type| error_type as usize);
        assert!(numbers.into_iter().eq(0..ErrorType::ALL.len()));
    }

    // F-08
    #[test]
    fn a_client_that_leaves_a_streaming_endpoint_is_no_failure() {
        for (outcome, status, error) in [
            (Outcome::Complete, Some(200), None),
            (Outcome::Complete, Some(404), Some("client_error")),
            (Outcome::Cancelled, None, None),
            (Outcome::Aborted, Some(200), None),
            (Outcome::Aborted, Some(503), Some("server_error")),
            (Outcome::BodyError, Some(200), Some("body_error")),
            (Outcome::LengthMismatch, Some(200), Some("content_length_mismatch")),
            (Outcome::ServiceError, None, Some("service_error")),
            (Outcome::Panic, Some(200), Some("panic")),
        ] {
            let (_, error_type) = labels(ending(outcome, status, None), Side::Server, true);
            assert_eq!(error_type, error, "{outcome:?} {status:?}");
        }
    }
}
