//! How a request ended, and what its labels say about it. Pure: no clock, no instrument.

use crate::labels::OTHER;
use http::{HeaderMap, StatusCode};
use std::num::NonZeroU8;

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
    /// The service returned an error instead of a response.
    ServiceError,
    /// The service or its body panicked.
    Panic,
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
    #[inline]
    pub(crate) fn new(
        ending: Ending,
        status: Option<StatusCode>,
        grpc: Option<GrpcStatus>,
    ) -> Self {
        let status = status.unwrap_or_else(|| match ending {
            // nginx's «client closed request», the field's usual value. In range, so the fallback is never taken.
            Ending::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        });
        let error = match ending {
            Ending::Complete | Ending::Upgrade => {
                ErrorType::of_status(status).or_else(|| ErrorType::of_grpc(grpc?))
            }
            // Whatever the status says: that is a label anyway.
            Ending::Cancelled => Some(ErrorType::Cancelled),
            Ending::Aborted => Some(ErrorType::Aborted),
            Ending::BodyError => Some(ErrorType::BodyError),
            Ending::ServiceError => Some(ErrorType::ServiceError),
            Ending::Panic => Some(ErrorType::Panic),
        };
        Self { status: StatusLabel(Some(status)), grpc, error }
    }

    /// The same, when there is no room left for a series of this very status.
    pub(crate) fn without_status(self) -> Self {
        let grpc = self.grpc.map(|_| GrpcStatus::UNKNOWN);
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
    ServiceError,
    Panic,
}

impl ErrorType {
    pub(crate) const COUNT: usize = 8;

    fn of_status(status: StatusCode) -> Option<Self> {
        match status.as_u16() {
            408 | 504 => Some(Self::Timeout),
            400..=499 => Some(Self::ClientError),
            500..=599 => Some(Self::ServerError),
            _ => None,
        }
    }

    /// The server's errors are those that OpenTelemetry's conventions for gRPC servers call so.
    fn of_grpc(status: GrpcStatus) -> Option<Self> {
        match status.as_str() {
            "OK" => None,
            "CANCELLED" => Some(Self::Cancelled),
            "DEADLINE_EXCEEDED" => Some(Self::Timeout),
            "UNKNOWN" | "UNIMPLEMENTED" | "INTERNAL" | "UNAVAILABLE" | "DATA_LOSS" => {
                Some(Self::ServerError)
            }
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
            Self::ServiceError => "service_error",
            Self::Panic => "panic",
        }
    }
}

/// A gRPC status by its number and one: so that `None` of it takes no room in what travels with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GrpcStatus(NonZeroU8);

impl GrpcStatus {
    pub(crate) const UNKNOWN: Self = Self(NonZeroU8::MIN.saturating_add(2));

    fn new(code: u8) -> Option<Self> {
        let is_known = usize::from(code) < GRPC_CODES.len();
        is_known.then(|| Self(NonZeroU8::MIN.saturating_add(code)))
    }

    /// From the headers of a response without a body, or from trailers. `None` when they have no `grpc-status`; one that
    /// is not a known code is `UNKNOWN`, as the gRPC specification has it.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let code = headers.get("grpc-status")?.to_str().ok().and_then(|code| code.parse().ok());
        Some(code.and_then(Self::new).unwrap_or(Self::UNKNOWN))
    }

    pub(crate) fn as_str(self) -> &'static str {
        GRPC_CODES.get(usize::from(self.0.get()) - 1).copied().unwrap_or("UNKNOWN")
    }
}

/// <https://grpc.io/docs/guides/status-codes/>, in the order of their numbers.
const GRPC_CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(
        ending: Ending,
        status: Option<u16>,
        grpc: Option<u8>,
    ) -> (String, Option<&'static str>) {
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        let outcome = Outcome::new(ending, status, grpc.and_then(GrpcStatus::new));
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
            (Ending::ServiceError, None, None, "500", Some("service_error")),
            (Ending::Panic, None, None, "500", Some("panic")),
            (Ending::Panic, Some(200), None, "200", Some("panic")),
            (Ending::Complete, Some(200), Some(0), "200", None),
            (Ending::Complete, Some(200), Some(1), "200", Some("cancelled")),
            (Ending::Complete, Some(200), Some(2), "200", Some("server_error")),
            (Ending::Complete, Some(200), Some(4), "200", Some("timeout")),
            (Ending::Complete, Some(200), Some(5), "200", Some("client_error")),
            (Ending::Complete, Some(200), Some(13), "200", Some("server_error")),
        ] {
            assert_eq!(
                outcome(ending, status, grpc),
                (expected.to_owned(), error),
                "{ending:?} {status:?} {grpc:?}"
            );
        }
    }

    // G-01
    #[test]
    fn a_grpc_status_is_read_by_its_number_and_told_by_its_name() {
        let read = |value: &[u8]| {
            let value = http::HeaderValue::from_bytes(value).unwrap();
            GrpcStatus::read(&HeaderMap::from_iter([("grpc-status".parse().unwrap(), value)]))
                .map(GrpcStatus::as_str)
        };
        assert_eq!(read(b"0"), Some("OK"));
        assert_eq!(read(b"5"), Some("NOT_FOUND"));
        assert_eq!(read(b"16"), Some("UNAUTHENTICATED"));
        for odd in [&b"17"[..], b"", b"-1", b"NOT_FOUND", b"99999999999", b"\xff"] {
            assert_eq!(read(odd), Some("UNKNOWN"), "{odd:?}");
        }
        assert_eq!(GrpcStatus::read(&HeaderMap::new()), None);
    }
}
