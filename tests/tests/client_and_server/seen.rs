//! What a client saw of its request, and what its layer records of that.

use crate::plan::{Exchange, Protocol};
use tonic::Code;

/// What a client saw of its request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The status of the response, if there was one.
    pub(crate) status: Option<u16>,
    /// The status of a gRPC call that the server sent.
    pub(crate) grpc: Option<Code>,
    /// The status that tonic's client made up because there was none.
    pub(crate) made_up: Option<Code>,
    /// What ended the request before the end of the response.
    pub(crate) error: Option<&'static str>,
    /// The error as it is printed.
    pub(crate) text: String,
}

impl Seen {
    pub(crate) fn failed(error: &'static str) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}

/// The status, the gRPC status and the error type that a client layer records of what its client saw.
pub(crate) fn expected_labels(exchange: &Exchange, seen: &Seen) -> [String; 3] {
    let Seen { status, grpc, made_up: _, error, text: _ } = seen;
    let status = status.map_or("_NONE".to_owned(), |status| status.to_string());
    let sent = grpc.map_or(("", ""), |code| GRPC_STATUSES[code as usize]);
    let grpc_status = match error {
        _ if exchange.plan.protocol != Protocol::Grpc => "",
        None => sent.0,
        Some("cancelled" | "aborted") => "CANCELLED",
        Some("timeout") => "DEADLINE_EXCEEDED",
        Some(_) => "UNAVAILABLE",
    };
    let class = match &*status {
        "408" | "504" => "timeout",
        status if status.starts_with('4') => "client_error",
        status if status.starts_with('5') => "server_error",
        _ => sent.1,
    };
    [status, grpc_status.to_owned(), error.unwrap_or(class).to_owned()]
}

/// The statuses of calls for which the server has sent none: what ended the call, the status that the layer records, and the one
/// that tonic's client makes up. The layer records one status for every reset. tonic derives its own from the code of `RST_STREAM` (a
/// server that panics cancels the stream), and has none for a lost connection.
pub(crate) const MADE_UP: [(&str, &str, Code); 5] = [
    ("connect_error", "UNAVAILABLE", Code::Unavailable),
    ("reset", "UNAVAILABLE", Code::Cancelled),
    ("reset", "UNAVAILABLE", Code::Unknown),
    ("reset", "UNAVAILABLE", Code::Unavailable),
    ("timeout", "DEADLINE_EXCEEDED", Code::Cancelled),
];

/// By code: the name, and the error type.
const GRPC_STATUSES: [(&str, &str); 17] = [
    ("OK", ""),
    ("CANCELLED", "cancelled"),
    ("UNKNOWN", "server_error"),
    ("INVALID_ARGUMENT", "client_error"),
    ("DEADLINE_EXCEEDED", "timeout"),
    ("NOT_FOUND", "client_error"),
    ("ALREADY_EXISTS", "client_error"),
    ("PERMISSION_DENIED", "client_error"),
    ("RESOURCE_EXHAUSTED", "client_error"),
    ("FAILED_PRECONDITION", "client_error"),
    ("ABORTED", "client_error"),
    ("OUT_OF_RANGE", "client_error"),
    ("UNIMPLEMENTED", "server_error"),
    ("INTERNAL", "server_error"),
    ("UNAVAILABLE", "server_error"),
    ("DATA_LOSS", "server_error"),
    ("UNAUTHENTICATED", "client_error"),
];
