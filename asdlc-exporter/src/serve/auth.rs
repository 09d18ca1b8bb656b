//! Authentication of requests.

use crate::credentials::Credentials;
use http::{
    HeaderMap,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};

/// The accepted credentials. If there are none, every request is authorized.
#[derive(Debug, Default)]
pub(super) struct Auth {
    pub(super) accepted: Vec<Credentials>,
}

impl Auth {
    /// Whether a request with these headers is authorized.
    pub(super) fn accepts(&self, headers: &HeaderMap) -> bool {
        // Several values are refused: a proxy in front of this server may have checked one of them,
        // and this server would check another one.
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            _ if self.accepted.is_empty() => true,
            (Some(value), None) => self.accepted.iter().any(|accepted| accepted.matches(value)),
            _ => false,
        }
    }

    /// Adds the `WWW-Authenticate` headers of a 401.
    pub(super) fn challenge(&self, headers: &mut HeaderMap) {
        for credentials in &self.accepted {
            headers.append(WWW_AUTHENTICATE, credentials.challenge());
        }
    }
}
