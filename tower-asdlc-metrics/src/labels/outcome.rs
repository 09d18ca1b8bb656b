//! How a request ended, and what its labels say about it. Pure: no clock, no instrument.

use crate::labels::grpc_status::{Call, GrpcStatus};
use crate::labels::methods::OTHER;
use http::StatusCode;

/// How a request ended. Each one ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The response's body was handed over to its end, or the response has none.
    Complete,
    /// The connection now speaks another protocol (101, or 2xx to `CONNECT`): the handshake is what was timed.
    Upgrade,
    /// The client left before the service answered.
    Cancelled,
    /// The client left, or the server gave up, after the head and before the end of the body.
    Aborted,
    /// The body yielded an error.
    BodyError,
    /// The body ended with fewer or more bytes than its `Content-Length` or its exact size said.
    LengthMismatch,
    /// The service returned an error instead of a response.
    ServiceError,
    /// The service or its body panicked.
    Panic,
}

/// How a request ended, and what is known of it by then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) ending: Ending,
    /// What was sent, if anything was.
    pub(crate) status: Option<StatusCode>,
    pub(crate) call: Call,
}

/// What a counter's labels say of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: StatusLabel,
    /// Only of gRPC calls.
    pub(crate) grpc: Option<GrpcStatus>,
    /// Only of failed requests.
    pub(crate) error: Option<ErrorType>,
}

impl Outcome {
    /// `is_stream`: the client of this endpoint ends the request, whenever it likes.
    #[inline]
    pub(crate) fn new(end: End, is_stream: bool) -> Self {
        let End { ending, status: sent, call } = end;
        let status = sent.unwrap_or_else(|| match ending {
            // nginx's "client closed request", the field's usual value. In range, so the fallback is never taken.
            Ending::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        });
        let grpc = call.status(ending, sent);
        let error = match ending {
            Ending::Complete | Ending::Upgrade => {
                ErrorType::of_status(status).or_else(|| ErrorType::of_grpc(grpc?))
            }
            // What was sent may be an error for all that.
            Ending::Cancelled | Ending::Aborted if is_stream => {
                sent.and_then(ErrorType::of_status).or_else(|| ErrorType::of_grpc(call.read()?))
            }
            // Whatever the status says: that is a label anyway.
            Ending::Cancelled => Some(ErrorType::Cancelled),
            Ending::Aborted => Some(ErrorType::Aborted),
            Ending::BodyError => Some(ErrorType::BodyError),
            Ending::LengthMismatch => Some(ErrorType::ContentLengthMismatch),
            Ending::ServiceError => Some(ErrorType::ServiceError),
            Ending::Panic => Some(ErrorType::Panic),
        };
        Self { status: StatusLabel(Some(status)), grpc, error }
    }

    /// The same, when there is no room left for a series of this very status.
    pub(crate) fn without_status(self) -> Self {
        let grpc = self.grpc.map(|_| GrpcStatus::Unknown);
        Self { status: StatusLabel(None), grpc, ..self }
    }
}

/// A status code, or `_OTHER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub(crate) const COUNT: usize = 9;

    fn of_status(status: StatusCode) -> Option<Self> {
        match status.as_u16() {
            // First, as it is what most are.
            ..400 => None,
            408 | 504 => Some(Self::Timeout),
            400..=499 => Some(Self::ClientError),
            500..=599 => Some(Self::ServerError),
            _ => None,
        }
    }

    /// The server's errors are those that OpenTelemetry's conventions for gRPC servers call so.
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

    fn outcome(
        ending: Ending,
        status: Option<u16>,
        grpc: Option<u8>,
    ) -> (String, Option<&'static str>) {
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        let call = grpc.map_or(Call::None, |grpc| Call::Status(GrpcStatus::parse(&[b'0' + grpc])));
        let outcome = Outcome::new(End { ending, status, call }, false);
        (outcome.status.as_str().to_owned(), outcome.error.map(ErrorType::as_str))
    }

    //
    #[test]
    fn each_ending_has_a_status_and_failures_have_a_type() {
        for (ending, status, grpc, expected, error) in [
            (Ending::Complete, Some(200), None, "200", None),
            (Ending::Complete, Some(302), None, "302", None),
            (Ending::Complete, Some(404), None, "404", Some("client_error")),
            (Ending::Complete, Some(408), None, "408", Some("timeout")),
            (Ending::Complete, Some(500), None, "500", Some("server_error")),
            (Ending::Complete, Some(504), None, "504", Some("timeout")),
            (Ending::Complete, Some(799), None, "799", None),
            (Ending::Upgrade, Some(101), None, "101", None),
            (Ending::Cancelled, None, None, "499", Some("cancelled")),
            (Ending::Aborted, Some(200), None, "200", Some("aborted")),
            (Ending::Aborted, Some(500), None, "500", Some("aborted")),
            (Ending::BodyError, Some(200), None, "200", Some("body_error")),
            (Ending::LengthMismatch, Some(200), None, "200", Some("content_length_mismatch")),
            (Ending::ServiceError, None, None, "500", Some("service_error")),
            (Ending::Panic, None, None, "500", Some("panic")),
            (Ending::Panic, Some(200), None, "200", Some("panic")),
            (Ending::Complete, Some(200), Some(0), "200", None),
            (Ending::Complete, Some(200), Some(1), "200", Some("cancelled")),
            (Ending::Complete, Some(200), Some(2), "200", Some("server_error")),
            (Ending::Complete, Some(200), Some(4), "200", Some("timeout")),
            (Ending::Complete, Some(200), Some(5), "200", Some("client_error")),
            (Ending::Complete, Some(200), Some(3), "200", Some("client_error")),
        ] {
            assert_eq!(
                outcome(ending, status, grpc),
                (expected.to_owned(), error),
                "{ending:?} {status:?} {grpc:?}"
            );
        }
    }

    // F-08
    #[test]
    fn of_a_stream_an_end_by_the_client_is_no_failure_and_all_others_are() {
        for (ending, status, error) in [
            (Ending::Complete, Some(200), None),
            (Ending::Complete, Some(404), Some("client_error")),
            (Ending::Cancelled, None, None),
            (Ending::Aborted, Some(200), None),
            (Ending::Aborted, Some(503), Some("server_error")),
            (Ending::BodyError, Some(200), Some("body_error")),
            (Ending::LengthMismatch, Some(200), Some("content_length_mismatch")),
            (Ending::ServiceError, None, Some("service_error")),
            (Ending::Panic, Some(200), Some("panic")),
        ] {
            let status = status.map(|status| StatusCode::from_u16(status).unwrap());
            let outcome = Outcome::new(End { ending, status, call: Call::None }, true);
            assert_eq!(outcome.error.map(ErrorType::as_str), error, "{ending:?} {status:?}");
        }
    }
}
