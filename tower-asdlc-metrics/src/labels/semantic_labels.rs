//! The attributes of OpenTelemetry's conventions that depend on how an exchange ended. Pure functions.

use crate::labels::ending::{Ending, ReducedError, Status};
use crate::labels::grpc_status::GrpcStatus;
use crate::labels::outcome::Outcome;
use crate::labels::prometheus_labels::ErrorType;
use crate::labels::side::Side;
use crate::labels::values::OTHER;
use http::StatusCode;
use std::borrow::Cow;

/// The attributes of an ending.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SemanticLabels {
    /// `http.response.status_code`; `None` if there was no response.
    pub(crate) status_code: Option<u16>,
    /// `rpc.response.status_code`, only for gRPC calls.
    pub(crate) grpc_status: Option<GrpcStatus>,
    /// `error.type`, only for failed requests.
    pub(crate) error_type: Option<Cow<'static, str>>,
}

impl SemanticLabels {
    /// `is_streaming` marks the endpoints whose requests last until the client leaves.
    pub(crate) fn of(ending: Ending, side: Side, is_streaming: bool) -> Self {
        Self {
            status_code: ending.sent().map(|status| status.as_u16()),
            // Beyond the series limit, the status of a gRPC call is not kept.
            grpc_status: match ending.status() {
                Status::Other(_) => None,
                _ => ending.grpc().label(ending.outcome(), ending.sent()),
            },
            error_type: error_type(ending, side, is_streaming),
        }
    }

    /// What is kept of an ending beyond the series limit.
    pub(crate) fn reduced_error(ending: Ending, side: Side, is_streaming: bool) -> ReducedError {
        ReducedError {
            error_type: ErrorType::of(ending, is_streaming),
            is_semantic_error: error_type(ending, side, is_streaming).is_some(),
        }
    }
}

fn error_type(ending: Ending, side: Side, is_streaming: bool) -> Option<Cow<'static, str>> {
    let sent = match ending.status() {
        // The status, which is the type of the error, is not kept.
        Status::Other(ReducedError {
            error_type: Some(ErrorType::ClientError | ErrorType::ServerError),
            is_semantic_error: true,
        }) => return Some(OTHER.into()),
        Status::Other(ReducedError { error_type, is_semantic_error }) => {
            let error_type = error_type.filter(|_| is_semantic_error);
            return error_type.map(|error_type| error_type.as_str().into());
        }
        Status::Sent(status) => Some(status),
        Status::None => None,
    };
    if let Some(error_type) = ErrorType::of_outcome(ending.outcome(), is_streaming) {
        return Some(error_type.as_str().into());
    }
    if ending.grpc().is_grpc() {
        let status = ending.grpc().label(ending.outcome(), sent)?;
        // The client of a stream has left. The status was not read, it is derived from that.
        let is_normal_end = is_streaming
            && matches!(ending.outcome(), Outcome::Cancelled | Outcome::Aborted)
            && ending.grpc().status().is_none()
            && sent.is_none_or(|sent| sent == StatusCode::OK);
        let is_error = is_grpc_error(status, side) && !is_normal_end;
        return is_error.then(|| status.as_str().into());
    }
    let status = sent.filter(|status| is_error(*status, side))?;
    Some(status.as_str().to_owned().into())
}

/// <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status>
fn is_error(status: StatusCode, side: Side) -> bool {
    status.is_server_error() || side == Side::Client && status.is_client_error()
}

/// <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/#grpc-status>
fn is_grpc_error(status: GrpcStatus, side: Side) -> bool {
    match side {
        Side::Client => status != GrpcStatus::Ok,
        Side::Server => matches!(
            status,
            GrpcStatus::Unknown
                | GrpcStatus::DeadlineExceeded
                | GrpcStatus::Unimplemented
                | GrpcStatus::Internal
                | GrpcStatus::Unavailable
                | GrpcStatus::DataLoss
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::ending::Progress;
    use crate::labels::grpc_status::GrpcCall;
    use crate::labels::protocol::ProtocolVersion;

    fn ending(outcome: Outcome, status: Option<u16>, grpc: GrpcCall) -> Ending {
        let mut progress = Progress::new(ProtocolVersion::Unknown, grpc);
        if let Some(status) = status {
            progress.set_status(StatusCode::from_u16(status).unwrap());
        }
        progress.end(outcome)
    }

    //
    #[test]
    fn a_4xx_is_an_error_of_the_client_only_and_no_status_is_invented() {
        for (outcome, status, server, client) in [
            (Outcome::Complete, Some(200), None, None),
            (Outcome::Complete, Some(302), None, None),
            (Outcome::Complete, Some(404), None, Some("404")),
            (Outcome::Complete, Some(503), Some("503"), Some("503")),
            (Outcome::Complete, Some(799), None, None),
            (Outcome::Upgrade, Some(101), None, None),
            (Outcome::Cancelled, None, Some("cancelled"), Some("cancelled")),
            (Outcome::Aborted, Some(200), Some("aborted"), Some("aborted")),
            (Outcome::Aborted, Some(503), Some("aborted"), Some("aborted")),
            (Outcome::BodyError, Some(200), Some("body_error"), Some("body_error")),
            (Outcome::ServiceError, None, Some("service_error"), Some("service_error")),
            (Outcome::Panic, None, Some("panic"), Some("panic")),
            (Outcome::ConnectError, None, Some("connect_error"), Some("connect_error")),
            (Outcome::Timeout, None, Some("timeout"), Some("timeout")),
            (Outcome::Reset, Some(200), Some("reset"), Some("reset")),
        ] {
            for (side, expected) in [(Side::Server, server), (Side::Client, client)] {
                let ending = ending(outcome, status, GrpcCall::NOT_GRPC);
                let labels = SemanticLabels::of(ending, side, false);
                assert_eq!(
                    labels.error_type.as_deref(),
                    expected,
                    "{side:?} {outcome:?} {status:?}"
                );
                assert_eq!((labels.status_code, labels.grpc_status), (status, None));
            }
        }
    }

    //
    #[test]
    fn the_status_of_a_grpc_call_is_an_error_as_the_convention_says() {
        // Per code: whether it is an error of the server. On a client, every code but OK is one.
        for (code, is_server_error) in [
            (0, false),
            (1, false),
            (2, true),
            (3, false),
            (4, true),
            (5, false),
            (6, false),
            (7, false),
            (8, false),
            (9, false),
            (10, false),
            (11, false),
            (12, true),
            (13, true),
            (14, true),
            (15, true),
            (16, false),
        ] {
            let status = GrpcStatus::parse(code.to_string().as_bytes());
            for (side, is_error) in [(Side::Server, is_server_error), (Side::Client, code != 0)] {
                let ending = ending(Outcome::Complete, Some(200), GrpcCall::with_status(status));
                let labels = SemanticLabels::of(ending, side, false);
                assert_eq!(labels.grpc_status, Some(status));
                let expected = is_error.then_some(status.as_str());
                assert_eq!(labels.error_type.as_deref(), expected, "{side:?} {code}");
            }
        }
    }

    //
    #[test]
    fn beyond_the_series_limit_a_status_that_is_no_error_stays_none() {
        for (outcome, status, grpc, server, client) in [
            (Outcome::Complete, 408, None, None, Some("timeout")),
            (Outcome::Complete, 404, None, None, Some("_OTHER")),
            (Outcome::Complete, 503, None, Some("_OTHER"), Some("_OTHER")),
            (Outcome::Complete, 504, None, Some("timeout"), Some("timeout")),
            (Outcome::Complete, 200, Some(GrpcStatus::Cancelled), None, Some("cancelled")),
            (Outcome::Complete, 200, Some(GrpcStatus::Internal), Some("_OTHER"), Some("_OTHER")),
            (Outcome::Aborted, 200, None, Some("aborted"), Some("aborted")),
            (Outcome::Complete, 200, None, None, None),
        ] {
            for (side, expected) in [(Side::Server, server), (Side::Client, client)] {
                let grpc = grpc.map_or(GrpcCall::NOT_GRPC, GrpcCall::with_status);
                let ending = ending(outcome, Some(status), grpc);
                let reduced = ending.reduced(SemanticLabels::reduced_error(ending, side, false));
                let labels = SemanticLabels::of(reduced, side, false);
                assert_eq!(labels.error_type.as_deref(), expected, "{side:?} {outcome:?} {status}");
                assert_eq!((labels.status_code, labels.grpc_status), (None, None));
            }
        }
    }

    // F-08
    #[test]
    fn a_client_that_leaves_a_streaming_endpoint_is_no_error() {
        let grpc = GrpcCall::NO_STATUS;
        for (outcome, status, grpc, expected) in [
            (Outcome::Aborted, Some(200), GrpcCall::NOT_GRPC, None),
            (Outcome::Aborted, Some(503), GrpcCall::NOT_GRPC, Some("503")),
            (Outcome::Cancelled, None, GrpcCall::NOT_GRPC, None),
            (Outcome::Aborted, Some(200), grpc, None),
            (Outcome::Cancelled, None, grpc, None),
            (Outcome::Panic, Some(200), grpc, Some("panic")),
            // Nobody has left: these calls have failed.
            (Outcome::Complete, Some(503), grpc, Some("UNAVAILABLE")),
            (Outcome::Complete, Some(200), grpc, Some("UNKNOWN")),
            (Outcome::Aborted, Some(503), grpc, Some("UNAVAILABLE")),
        ] {
            for side in [Side::Server, Side::Client] {
                let labels = SemanticLabels::of(ending(outcome, status, grpc), side, true);
                assert_eq!(labels.error_type.as_deref(), expected, "{side:?} {outcome:?} {grpc:?}");
            }
        }
    }
}
