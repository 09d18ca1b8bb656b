//! The values that labels may take: closed sets, so that no client can add a series by inventing one.

use http::{Method, StatusCode};

/// How a request ended. Each one ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    /// The response body was handed over to its end, or the response has none.
    Complete,
    /// The connection now speaks another protocol (101, or 2xx to CONNECT): the handshake is what was timed.
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

impl Ending {
    /// The status that stands for an ending before any status was sent.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            // nginx's «client closed request», the field's usual value. It is in range, so the fallback is never taken.
            Self::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Complete
            | Self::Upgrade
            | Self::Aborted
            | Self::BodyError
            | Self::ServiceError
            | Self::Panic => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A method by its number in [`METHODS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MethodId(u8);

impl MethodId {
    pub(crate) const OTHER: Self = Self(METHODS.len() as u8);
    pub(crate) const COUNT: usize = METHODS.len() + 1;

    pub(crate) fn of(method: &Method) -> Self {
        Self(match *method {
            Method::GET => 0,
            Method::HEAD => 1,
            Method::POST => 2,
            Method::PUT => 3,
            Method::DELETE => 4,
            Method::CONNECT => 5,
            Method::OPTIONS => 6,
            Method::TRACE => 7,
            Method::PATCH => 8,
            _ => return Self::OTHER,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        METHODS.get(usize::from(self.0)).copied().unwrap_or(OTHER)
    }
}

/// A status code, or `_OTHER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StatusLabel(Option<StatusCode>);

impl StatusLabel {
    pub(crate) const OTHER: Self = Self(None);

    pub(crate) fn new(status: StatusCode) -> Self {
        Self(Some(status))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_ref().map_or(OTHER, StatusCode::as_str)
    }
}

/// The methods of RFC 9110 and PATCH (RFC 5789): what OpenTelemetry's HTTP conventions call the known ones.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// OpenTelemetry's value for what is outside a closed set.
pub(crate) const OTHER: &str = "_OTHER";

/// The `endpoint` of a request that no route matched.
pub const UNMATCHED: &str = "_UNMATCHED";

/// The `endpoint` of the requests that came after the cap on series was reached.
pub const OVERFLOW: &str = "_OVERFLOW";

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn a_method_is_itself_or_other() {
        for name in METHODS {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(MethodId::of(&method).as_str(), name);
        }
        for name in ["PURGE", "get", "PROPFIND", "X"] {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(MethodId::of(&method).as_str(), OTHER);
        }
    }
}
