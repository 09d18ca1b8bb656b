//! The status of a gRPC call: the status that was read, or the one that a client derives when there was none.

use crate::labels::outcome::Outcome;
use http::{HeaderMap, StatusCode};

/// What is known of the gRPC status of an exchange, as a number: the code of the status that was read from the headers, the trailers, or
/// the trailer frame of gRPC-Web; or one of the constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GrpcCall(pub(crate) u8);

impl GrpcCall {
    /// The request is not a gRPC call.
    pub(crate) const NOT_GRPC: Self = Self(GrpcStatus::COUNT);
    /// No status was read yet.
    pub(crate) const NO_STATUS: Self = Self(GrpcStatus::COUNT + 1);
    /// The status is in the body of a gRPC-Web response. It was not read yet, or it cannot be read. If the response is
    /// complete, the missing status alone is not a failure. With `NO_STATUS` it is a failure.
    pub(crate) const UNREADABLE: Self = Self(GrpcStatus::COUNT + 2);

    #[inline]
    pub(crate) fn with_status(status: GrpcStatus) -> Self {
        Self(status as u8)
    }

    #[inline]
    pub(crate) fn is_grpc(self) -> bool {
        self != Self::NOT_GRPC
    }

    /// The value of `grpc_status` for a call with this outcome and HTTP status; `None` means that the label is left out.
    pub(crate) fn label(self, outcome: Outcome, http: Option<StatusCode>) -> Option<GrpcStatus> {
        if !self.is_grpc() {
            return None;
        }
        self.status().or_else(|| self.derived(outcome, http))
    }

    /// The status that was read.
    pub(crate) fn status(self) -> Option<GrpcStatus> {
        CODES.get(usize::from(self.0)).map(|(status, _)| *status)
    }

    fn derived(self, outcome: Outcome, http: Option<StatusCode>) -> Option<GrpcStatus> {
        match (outcome, http) {
            // The client derives the status from the head, however the body ends.
            (_, Some(http)) if http != StatusCode::OK => Some(GrpcStatus::of_http(http)),
            (Outcome::Cancelled | Outcome::Aborted, _) => Some(GrpcStatus::Cancelled),
            // HTTP/2 servers reset the stream with INTERNAL_ERROR, which clients map to this status.
            (Outcome::ServiceError | Outcome::BodyError, _) => Some(GrpcStatus::Internal),
            (Outcome::Panic, _) => Some(GrpcStatus::Unknown),
            (Outcome::ConnectError | Outcome::Reset, _) => Some(GrpcStatus::Unavailable),
            (Outcome::Timeout, _) => Some(GrpcStatus::DeadlineExceeded),
            _ if self == Self::UNREADABLE => None,
            _ => Some(GrpcStatus::Unknown),
        }
    }
}

/// The codes of <https://grpc.io/docs/guides/status-codes/>, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrpcStatus {
    Ok,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

impl GrpcStatus {
    pub(crate) const COUNT: u8 = CODES.len() as u8;

    /// Reads `grpc-status` from trailers, or from the headers of a response without a body.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        headers.get("grpc-status").map(|value| Self::parse(value.as_bytes()))
    }

    /// An unknown code is `UNKNOWN`, as the gRPC specification requires.
    pub(crate) fn parse(code: &[u8]) -> Self {
        let code = std::str::from_utf8(code).ok().and_then(|code| code.parse::<usize>().ok());
        code.and_then(|code| CODES.get(code)).map_or(Self::Unknown, |(status, _)| *status)
    }

    /// The status of a response that has only an HTTP status, as mapped by
    /// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>.
    fn of_http(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502..=504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        CODES.get(self as usize).map_or("UNKNOWN", |(_, name)| name)
    }
}

const CODES: [(GrpcStatus, &str); 17] = [
    (GrpcStatus::Ok, "OK"),
    (GrpcStatus::Cancelled, "CANCELLED"),
    (GrpcStatus::Unknown, "UNKNOWN"),
    (GrpcStatus::InvalidArgument, "INVALID_ARGUMENT"),
    (GrpcStatus::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (GrpcStatus::NotFound, "NOT_FOUND"),
    (GrpcStatus::AlreadyExists, "ALREADY_EXISTS"),
    (GrpcStatus::PermissionDenied, "PERMISSION_DENIED"),
    (GrpcStatus::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (GrpcStatus::FailedPrecondition, "FAILED_PRECONDITION"),
    (GrpcStatus::Aborted, "ABORTED"),
    (GrpcStatus::OutOfRange, "OUT_OF_RANGE"),
    (GrpcStatus::Unimplemented, "UNIMPLEMENTED"),
    (GrpcStatus::Internal, "INTERNAL"),
    (GrpcStatus::Unavailable, "UNAVAILABLE"),
    (GrpcStatus::DataLoss, "DATA_LOSS"),
    (GrpcStatus::Unauthenticated, "UNAUTHENTICATED"),
];

#[cfg(test)]
mod tests {
    use super::*;

    // G-01
    #[test]
    fn a_grpc_status_is_read_as_number_and_shown_as_name() {
        let read = |value: &[u8]| {
            let value = http::HeaderValue::from_bytes(value).unwrap();
            GrpcStatus::read(&HeaderMap::from_iter([("grpc-status".parse().unwrap(), value)]))
                .map(GrpcStatus::as_str)
        };
        assert_eq!(read(b"0"), Some("OK"));
        assert_eq!(read(b"5"), Some("NOT_FOUND"));
        assert_eq!(read(b"16"), Some("UNAUTHENTICATED"));
        for invalid in [&b"17"[..], b"", b"-1", b"NOT_FOUND", b"99999999999", b"\xff"] {
            assert_eq!(read(invalid), Some("UNKNOWN"), "{invalid:?}");
        }
        assert_eq!(GrpcStatus::read(&HeaderMap::new()), None);
        for (index, (status, name)) in CODES.into_iter().enumerate() {
            assert_eq!((status as usize, status.as_str()), (index, name));
        }
    }

    // F-06
    #[test]
    fn a_call_without_a_status_has_the_one_that_its_client_derives() {
        for (outcome, http, missing, unreadable) in [
            (Outcome::Complete, Some(200), Some("UNKNOWN"), None),
            (Outcome::LengthMismatch, Some(200), Some("UNKNOWN"), None),
            (Outcome::Complete, Some(400), Some("INTERNAL"), Some("INTERNAL")),
            (Outcome::Complete, Some(401), Some("UNAUTHENTICATED"), Some("UNAUTHENTICATED")),
            (Outcome::Complete, Some(403), Some("PERMISSION_DENIED"), Some("PERMISSION_DENIED")),
            (Outcome::Complete, Some(404), Some("UNIMPLEMENTED"), Some("UNIMPLEMENTED")),
            (Outcome::Complete, Some(429), Some("UNAVAILABLE"), Some("UNAVAILABLE")),
            (Outcome::Complete, Some(502), Some("UNAVAILABLE"), Some("UNAVAILABLE")),
            (Outcome::Complete, Some(503), Some("UNAVAILABLE"), Some("UNAVAILABLE")),
            (Outcome::Complete, Some(504), Some("UNAVAILABLE"), Some("UNAVAILABLE")),
            (Outcome::Complete, Some(500), Some("UNKNOWN"), Some("UNKNOWN")),
            (Outcome::Complete, Some(302), Some("UNKNOWN"), Some("UNKNOWN")),
            (Outcome::Aborted, Some(401), Some("UNAUTHENTICATED"), Some("UNAUTHENTICATED")),
            (Outcome::Aborted, Some(200), Some("CANCELLED"), Some("CANCELLED")),
            (Outcome::Cancelled, None, Some("CANCELLED"), Some("CANCELLED")),
            (Outcome::ServiceError, None, Some("INTERNAL"), Some("INTERNAL")),
            (Outcome::BodyError, Some(200), Some("INTERNAL"), Some("INTERNAL")),
            (Outcome::Panic, None, Some("UNKNOWN"), Some("UNKNOWN")),
        ] {
            let http = http.map(|http| StatusCode::from_u16(http).unwrap());
            let status = |call: GrpcCall| call.label(outcome, http).map(GrpcStatus::as_str);
            let labels =
                [GrpcCall::NO_STATUS, GrpcCall::UNREADABLE, GrpcCall::NOT_GRPC].map(status);
            assert_eq!(labels, [missing, unreadable, None], "{outcome:?} {http:?}");
            let read = GrpcCall::with_status(GrpcStatus::NotFound);
            assert_eq!(status(read), Some("NOT_FOUND"));
        }
    }
}
