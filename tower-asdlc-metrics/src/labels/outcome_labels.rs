//! The labels `status`, `grpc_status` and `error_type`, which depend on how an exchange ended. Pure functions.

use crate::labels::grpc_status::{GrpcCall, GrpcStatus};
use crate::labels::outcome::Outcome;
use crate::labels::values::OTHER;
use http::StatusCode;

/// The labels that distinguish the counters of one route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutcomeLabels {
    pub(crate) status: StatusLabel,
    /// Only for gRPC calls.
    pub(crate) grpc_status: Option<GrpcStatus>,
    /// Only for failed requests.
    pub(crate) error_type: Option<ErrorType>,
}

impl OutcomeLabels {
    /// `sent` is the status of the response, if there was one. `is_streaming` marks the endpoints whose requests last until the
    /// client leaves.
    #[inline]
    pub(crate) fn new(
        outcome: Outcome,
        sent: Option<StatusCode>,
        call: GrpcCall,
        is_streaming: bool,
    ) -> Self {
        let status = sent.unwrap_or_else(|| match outcome {
            // nginx's "client closed request", which is widely used. 499 is in range, so the fallback is never used.
            Outcome::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        });
        let grpc_status = call.label(outcome, sent);
        let error_type = match outcome {
            Outcome::Complete | Outcome::Upgrade => {
                ErrorType::of_status(status).or_else(|| ErrorType::of_grpc(grpc_status?))
            }
            // Here a client that leaves is not a failure. But the status that was sent may be a failure.
            Outcome::Cancelled | Outcome::Aborted if is_streaming => {
                sent.and_then(ErrorType::of_status).or_else(|| ErrorType::of_grpc(call.status()?))
            }
            // These outcomes take precedence over the status, which has a label of its own.
            Outcome::Cancelled => Some(ErrorType::Cancelled),
            Outcome::Aborted => Some(ErrorType::Aborted),
            Outcome::BodyError => Some(ErrorType::BodyError),
            Outcome::LengthMismatch => Some(ErrorType::ContentLengthMismatch),
            Outcome::ServiceError => Some(ErrorType::ServiceError),
            Outcome::Panic => Some(ErrorType::Panic),
        };
        Self { status: StatusLabel(Some(status)), grpc_status, error_type }
    }

    /// The same labels with `_OTHER` as `status`, and with `UNKNOWN` as the `grpc_status` of a gRPC call. Used if the overflow
    /// series with the actual status is beyond the limit too.
    pub(crate) fn without_status(self) -> Self {
        let grpc_status = self.grpc_status.map(|_| GrpcStatus::Unknown);
        Self { status: StatusLabel(None), grpc_status, ..self }
    }

    /// Whether all labels are equal. Compares them as one word, because each request compares labels to find its counters.
    #[inline(always)]
    pub(crate) fn equals(self, other: Self) -> bool {
        self.bits() == other.bits()
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        let Self { status: StatusLabel(status), grpc_status, error_type } = self;
        let [low, high] = status.map_or(0, |status| status.as_u16()).to_le_bytes();
        // The compiler stores `None` as the same numbers, so that the conversion needs no instructions.
        let grpc_status = grpc_status.map_or(GrpcStatus::COUNT, |status| status as u8);
        let error_type = error_type.map_or(ErrorType::COUNT, |error_type| error_type as u8);
        u32::from_le_bytes([low, high, grpc_status, error_type])
    }
}

/// A status code; `None` is `_OTHER`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusLabel(Option<StatusCode>);

impl StatusLabel {
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_ref().map_or(OTHER, StatusCode::as_str)
    }

    pub(crate) fn is_success(&self) -> bool {
        self.0.is_some_and(|status| status.is_success())
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
}

impl ErrorType {
    /// `Panic` is the last variant.
    pub(crate) const COUNT: u8 = Self::Panic as u8 + 1;

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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(
        outcome: Outcome,
        status: Option<u16>,
        grpc: Option<u8>,
    ) -> (String, Option<&'static str>) {
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        let status_of = |grpc| GrpcCall::Status(GrpcStatus::parse(&[b'0' + grpc]));
        let call = grpc.map_or(GrpcCall::NotGrpc, status_of);
        let labels = OutcomeLabels::new(outcome, status, call, false);
        (labels.status.as_str().to_owned(), labels.error_type.map(ErrorType::as_str))
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
                labels(outcome, status, grpc),
                (expected.to_owned(), error),
                "{outcome:?} {status:?} {grpc:?}"
            );
        }
    }

    #[test]
    fn label_sets_are_equal_only_if_each_label_is() {
        let error_types = [
            ErrorType::ClientError,
            ErrorType::ServerError,
            ErrorType::Timeout,
            ErrorType::Cancelled,
            ErrorType::Aborted,
            ErrorType::BodyError,
            ErrorType::ContentLengthMismatch,
            ErrorType::ServiceError,
            ErrorType::Panic,
        ];
        assert!(error_types.map(|error_type| error_type as u8).into_iter().eq(0..ErrorType::COUNT));
        let error_types = || error_types.into_iter().map(Some).chain([None]);
        let codes = (0..GrpcStatus::COUNT).map(|code| code.to_string());
        let grpc: Vec<_> = codes.map(|code| Some(GrpcStatus::parse(code.as_bytes()))).collect();
        let mut all = Vec::new();
        for status in [None, Some(StatusCode::OK), Some(StatusCode::NOT_FOUND)] {
            for grpc_status in grpc.iter().copied().chain([None]) {
                let status = StatusLabel(status);
                all.extend(error_types().map(|error_type| OutcomeLabels {
                    status,
                    grpc_status,
                    error_type,
                }));
            }
        }
        for (index, labels) in all.iter().enumerate() {
            assert_eq!(
                all.iter().position(|other| other.equals(*labels)),
                Some(index),
                "{labels:?}"
            );
        }
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
            let status = status.map(|status| StatusCode::from_u16(status).unwrap());
            let labels = OutcomeLabels::new(outcome, status, GrpcCall::NotGrpc, true);
            assert_eq!(labels.error_type.map(ErrorType::as_str), error, "{outcome:?} {status:?}");
        }
    }
}
