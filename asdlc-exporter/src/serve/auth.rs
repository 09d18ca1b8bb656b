//! Who is answered.

use super::error::{ServeError, ServeErrorKind};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// A way to authenticate.
#[derive(Clone)]
pub(super) struct Credentials {
    scheme: &'static str,
    /// As it stands behind the scheme.
    secret: String,
    challenge: HeaderValue,
}

impl Credentials {
    pub(super) fn bearer(token: &str) -> Result<Self, ServeError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.is_empty() || !token.bytes().all(allowed) {
            return Err(ServeErrorKind::Token.into());
        }
        let challenge = HeaderValue::from_static("Bearer");
        Ok(Self { scheme: "bearer", secret: token.to_owned(), challenge })
    }

    pub(super) fn basic(user: &str, password: &str) -> Result<Self, ServeError> {
        let allowed = |text: &str| !text.is_empty() && !text.contains(char::is_control);
        if !allowed(user) || !allowed(password) || user.contains(':') {
            return Err(ServeErrorKind::UserOrPassword.into());
        }
        let challenge = HeaderValue::from_static(r#"Basic realm="metrics", charset="UTF-8""#);
        let secret = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Ok(Self { scheme: "basic", secret, challenge })
    }

    /// In a time that tells no more than the length of the secret.
    fn matches(&self, value: &HeaderValue) -> bool {
        let mut parts = value.as_bytes().splitn(2, |byte| *byte == b' ');
        let (Some(scheme), Some(secret)) = (parts.next(), parts.next()) else { return false };
        scheme.eq_ignore_ascii_case(self.scheme.as_bytes())
            && bool::from(secret.trim_ascii().ct_eq(self.secret.as_bytes()))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// All ways to authenticate; none means that everybody may.
#[derive(Debug, Default)]
pub(super) struct Gate {
    pub(super) ways: Vec<Credentials>,
}

impl Gate {
    /// Whether a request with these headers is answered.
    pub(super) fn opens(&self, headers: &HeaderMap) -> bool {
        // Of several headers a proxy before us may have looked at another one.
        let mut values = headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            _ if self.ways.is_empty() => true,
            (Some(value), None) => self.ways.iter().any(|way| way.matches(value)),
            _ => false,
        }
    }

    pub(super) fn challenge(&self, headers: &mut HeaderMap) {
        for way in &self.ways {
            headers.append(WWW_AUTHENTICATE, way.challenge.clone());
        }
    }
}
