use crate::labels::client_error::{ClientErrorType, KnownErrors, Verdict};
use tonic::{ConnectError, Status, TimeoutExpired, transport};

impl KnownErrors {
    /// Adds the errors of tonic's `Channel` and of its response bodies, and those that they have as sources.
    pub(crate) fn with_tonic(self) -> Self {
        self.with_hyper_util()
            .with(|_: &ConnectError| Some(ClientErrorType::Connect))
            .with(|_: &TimeoutExpired| Some(ClientErrorType::Timeout))
            // Their sources decide.
            .with(|_: &transport::Error| Verdict::Unknown)
            .with(|_: &Status| Verdict::Unknown)
    }
}
