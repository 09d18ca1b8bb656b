//! User and password, or a bearer token, in the form of the header `Authorization`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;
use std::fmt;

/// Credentials that [`serve`](crate::serve) requires of its clients, or that the query proxy sends.
#[derive(Clone)]
pub(crate) struct Credentials {
    scheme: Scheme,
    /// What follows the scheme in `Authorization`.
    encoded: String,
    /// The password or token, not encoded.
    #[cfg(feature = "victoria-metrics")]
    secret: String,
}

#[derive(Clone, Copy, Debug)]
enum Scheme {
    Basic,
    Bearer,
}

/// The user or the token is empty, or the user, the password or the token has a character that is
/// not allowed.
#[derive(Debug)]
pub(crate) struct InvalidCredentials;

impl Credentials {
    /// The password may be empty; the user may not.
    pub(crate) fn basic(user: &str, password: &str) -> Result<Self, InvalidCredentials> {
        // The password starts after the first `:`, so the user cannot contain one.
        if user.is_empty()
            || user.contains(':')
            || user.contains(char::is_control)
            || password.contains(char::is_control)
        {
            return Err(InvalidCredentials);
        }
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Ok(Self {
            scheme: Scheme::Basic,
            encoded,
            #[cfg(feature = "victoria-metrics")]
            secret: password.to_owned(),
        })
    }

    /// The token may have the characters that RFC 6750 allows.
    pub(crate) fn bearer(token: &str) -> Result<Self, InvalidCredentials> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.is_empty() || !token.bytes().all(allowed) {
            return Err(InvalidCredentials);
        }
        Ok(Self {
            scheme: Scheme::Bearer,
            encoded: token.to_owned(),
            #[cfg(feature = "victoria-metrics")]
            secret: token.to_owned(),
        })
    }

    /// The value of `Authorization`. It is marked as sensitive: its `Debug` text has no secret.
    #[cfg(feature = "victoria-metrics")]
    pub(crate) fn to_header(&self) -> HeaderValue {
        let Self { scheme, encoded, .. } = self;
        let mut value = HeaderValue::from_str(&format!("{} {encoded}", scheme.name()))
            .expect("visible ASCII is a header value");
        value.set_sensitive(true);
        value
    }

    /// The texts that must not be in a log: the secret, encoded and not encoded.
    #[cfg(feature = "victoria-metrics")]
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        // Without padding, because another program may write the padding differently.
        let encoded = self.encoded.trim_end_matches('=');
        [encoded, &self.secret].into_iter().filter(|secret| !secret.is_empty())
    }

    /// Whether a value of `Authorization` has these credentials. The secrets are compared in constant
    /// time, except that a wrong length ends the comparison early.
    #[cfg(feature = "serve")]
    pub(crate) fn matches(&self, value: &HeaderValue) -> bool {
        use subtle::ConstantTimeEq as _;
        let mut parts = value.as_bytes().splitn(2, |byte| *byte == b' ');
        let (Some(scheme), Some(encoded)) = (parts.next(), parts.next()) else { return false };
        scheme.eq_ignore_ascii_case(self.scheme.name().as_bytes())
            && bool::from(encoded.trim_ascii().ct_eq(self.encoded.as_bytes()))
    }

    /// The value of `WWW-Authenticate` for these credentials.
    #[cfg(feature = "serve")]
    pub(crate) fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static(match self.scheme {
            Scheme::Basic => r#"Basic realm="metrics", charset="UTF-8""#,
            Scheme::Bearer => "Bearer",
        })
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Bearer => "Bearer",
        }
    }
}

/// Without the secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}
