/// How an exchange ended. Each one ends in exactly one of these ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Outcome {
    /// The response's body was handed to the server up to its end, or the response has no body.
    Complete,
    /// The connection speaks another protocol from now on (101, or 2xx to `CONNECT`). The duration is that of the handshake.
    Upgrade,
    /// The service's future was dropped before it was ready: the client left, or an outer timeout fired.
    Cancelled,
    /// The body was dropped after the response's head and before its end: the client left, or the server gave up.
    Aborted,
    /// The body yielded an error.
    BodyError,
    /// The body had fewer or more bytes than its `Content-Length` or its exact size declares.
    LengthMismatch,
    /// The service returned an error instead of a response.
    ServiceError,
    /// The service or its body panicked.
    Panic,
    /// Only on a client: there was no connection to the server.
    ConnectError,
    /// Only on a client: a time limit within the service ended the request.
    Timeout,
    /// Only on a client: the connection or the stream was reset or closed before the end of the response.
    Reset,
}

impl Outcome {
    /// All outcomes, in the order of their numbers.
    pub(crate) const ALL: [Self; 11] = [
        Self::Complete,
        Self::Upgrade,
        Self::Cancelled,
        Self::Aborted,
        Self::BodyError,
        Self::LengthMismatch,
        Self::ServiceError,
        Self::Panic,
        Self::ConnectError,
        Self::Timeout,
        Self::Reset,
    ];
}
