use crate::labels::client_error::{ClientErrorType, KnownErrors, Verdict, of_io_error};
use hyper_util::client::legacy;
use tower::timeout::error::Elapsed;

impl KnownErrors {
    /// Adds the errors of hyper-util's client, hyper, h2, and tower's `Timeout`.
    pub(crate) fn with_hyper_util(self) -> Self {
        self.with(of_h2_error)
            .with(of_hyper_error)
            .with(|error: &legacy::Error| error.is_connect().then_some(ClientErrorType::Connect))
            .with(|_: &Elapsed| Some(ClientErrorType::Timeout))
    }
}

fn of_hyper_error(error: &hyper::Error) -> Verdict {
    if error.is_user() {
        // The request's body failed. Its error may come from a connection of another peer.
        Verdict::Other
    } else if error.is_timeout() {
        Verdict::Is(ClientErrorType::Timeout)
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        // The connection was closed before the response, or before the request was sent.
        Verdict::Is(ClientErrorType::Reset)
    } else {
        Verdict::Unknown
    }
}

fn of_h2_error(error: &h2::Error) -> Option<ClientErrorType> {
    // h2 does not return it as the source.
    if let Some(error) = error.get_io() {
        return of_io_error(error);
    }
    // RST_STREAM or GOAWAY of the peer. Those that h2 sends are for the peer's violations of the protocol.
    error.is_remote().then_some(ClientErrorType::Reset)
}
