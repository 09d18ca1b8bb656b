//! The status of a gRPC call: what was read of it, and what it is where nothing was. Pure.

use crate::labels::outcome::Ending;
use http::{HeaderMap, StatusCode};

/// What is known of a request's gRPC status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// It is no gRPC call.
    None,
    /// None was read yet.
    Missing,
    /// It is in the body of a gRPC-Web response, which was not read to there or cannot be: that the call failed is not known.
    Unreadable,
    /// From headers, trailers, or the trailer frame of gRPC-Web.
    Status(GrpcStatus),
}

impl Call {
    #[inline]
    pub(crate) fn is_none(self) -> bool {
        matches!(self, Self::None)
    }

    /// The status of a call that ended so, with that HTTP status if any was sent.
    #[inline]
    pub(crate) fn status(self, ending: Ending, http: Option<StatusCode>) -> Option<GrpcStatus> {
        if self.is_none() { None } else { self.status_of_call(ending, http) }
    }

    #[inline(never)]
    fn status_of_call(self, ending: Ending, http: Option<StatusCode>) -> Option<GrpcStatus> {
        self.read().or_else(|| self.concluded(ending, http))
    }

    /// The status, if one was read.
    pub(crate) fn read(self) -> Option<GrpcStatus> {
        if let Self::Status(status) = self { Some(status) } else { None }
    }

    fn concluded(self, ending: Ending, http: Option<StatusCode>) -> Option<GrpcStatus> {
        match (ending, http) {
            // The head says it already, however the body ended.
            (_, Some(http)) if http != StatusCode::OK => Some(GrpcStatus::of_http(http)),
            (Ending::Cancelled | Ending::Aborted, _) => Some(GrpcStatus::Cancelled),
            // HTTP/2 servers reset the stream with INTERNAL_ERROR, which is this status to a client.
            (Ending::ServiceError | Ending::BodyError, _) => Some(GrpcStatus::Internal),
            (Ending::Panic, _) => Some(GrpcStatus::Unknown),
            _ if self == Self::Unreadable => None,
            _ => Some(GrpcStatus::Unknown),
        }
    }
}

/// <https://grpc.io/docs/guides/status-codes/>, in the order of their numbers.
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
    /// From the headers of a response without a body, or from trailers. `None` when they have no `grpc-status`.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        headers.get("grpc-status").map(|value| Self::parse(value.as_bytes()))
    }

    /// What is not a known code is `UNKNOWN`, as the gRPC specification says.
    pub(crate) fn parse(code: &[u8]) -> Self {
        let code = std::str::from_utf8(code).ok().and_then(|code| code.parse::<usize>().ok());
        code.and_then(|code| CODES.get(code)).map_or(Self::Unknown, |(status, _)| *status)
    }

    /// Of a response without any, by <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>.
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
        for (index, (status, name)) in CODES.into_iter().enumerate() {
            assert_eq!((status as usize, status.as_str()), (index, name));
        }
    }

    // F-06
    #[test]
    fn a_call_without_a_status_has_the_one_that_its_client_concludes() {
        for (ending, http, missing, unreadable) in [
            (Ending::Complete, Some(200), Some("UNKNOWN"), None),
            (Ending::LengthMismatch, Some(200), Some("UNKNOWN"), None),
            (Ending::Complete, Some(400), Some("INTERNAL"), Some("INTERNAL")),
            (Ending::Complete, Some(401), Some("UNAUTHENTICATED"), Some("UNAUTHENTICATED")),
            (Ending::Complete, Some(403), Some("PERMISSION_DENIED"), Some("PERMISSION_DENIED")),
            (Ending::Complete, Some(404), Some("UNIMPLEMENTED"), Some("UNIMPLEMENTED")),
            (Ending::Complete, Some(429), Some("UNAVAILABLE"), Some("UNAVAILABLE")),
            (Ending::Complete, Some(502), Some("UNAVAILABLE"), Some("UNAVAILABLE")),
            (Ending::Complete, Some(503), Some("UNAVAILABLE"), Some("UNAVAILABLE")),
            (Ending::Complete, Some(504), Some("UNAVAILABLE"), Some("UNAVAILABLE")),
            (Ending::Complete, Some(500), Some("UNKNOWN"), Some("UNKNOWN")),
            (Ending::Complete, Some(302), Some("UNKNOWN"), Some("UNKNOWN")),
            (Ending::Aborted, Some(401), Some("UNAUTHENTICATED"), Some("UNAUTHENTICATED")),
            (Ending::Aborted, Some(200), Some("CANCELLED"), Some("CANCELLED")),
            (Ending::Cancelled, None, Some("CANCELLED"), Some("CANCELLED")),
            (Ending::ServiceError, None, Some("INTERNAL"), Some("INTERNAL")),
            (Ending::BodyError, Some(200), Some("INTERNAL"), Some("INTERNAL")),
            (Ending::Panic, None, Some("UNKNOWN"), Some("UNKNOWN")),
        ] {
            let http = http.map(|http| StatusCode::from_u16(http).unwrap());
            let status = |call: Call| call.status(ending, http).map(GrpcStatus::as_str);
            let of = [Call::Missing, Call::Unreadable, Call::None].map(status);
            assert_eq!(of, [missing, unreadable, None], "{ending:?} {http:?}");
            let sent = Call::Status(GrpcStatus::NotFound);
            assert_eq!(status(sent), Some("NOT_FOUND"));
        }
    }
}
