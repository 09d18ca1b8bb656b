//! Where `VictoriaMetrics` is, and what it wants to see first.

use super::error::{QueryProxyError, QueryProxyErrorKind};
use crate::redact;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderValue, Uri, uri::Scheme};
use percent_encoding::percent_decode_str;
use std::fmt;

/// `http://vmselect:8481/select/0/prometheus`
#[derive(Clone)]
pub(super) struct Base {
    /// With scheme and prefix, without a user and without `/` at the end.
    url: String,
    authorization: Option<Credentials>,
}

/// What `Authorization` has.
#[derive(Clone)]
pub(super) struct Credentials {
    value: HeaderValue,
    /// What must be in no log: the parts of the value, also as they were before they were encoded.
    secrets: Vec<String>,
}

impl Base {
    pub(super) fn parse(url: &str) -> Result<Self, QueryProxyError> {
        let refused = || QueryProxyError::from(QueryProxyErrorKind::Url);
        // `http` would stop reading there, and the rest would go unnoticed.
        if url.contains('#') {
            return Err(refused());
        }
        let uri: Uri = url.parse().map_err(|_| refused())?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(refused());
        };
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            return Err(refused());
        }
        #[cfg(not(feature = "victoria-metrics-tls"))]
        if *scheme == Scheme::HTTPS {
            return Err(QueryProxyErrorKind::NoTls.into());
        }
        let (user, address) = match authority.as_str().rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority.as_str()),
        };
        let path = uri.path().trim_end_matches('/');
        let port_is_one = match authority.port() {
            Some(port) => port.as_str().parse::<u16>().is_ok_and(|port| port > 0),
            // `host:` and `host:99999`
            None => authority.host() == address,
        };
        let path_is_plain = path.split('/').skip(1).all(|part| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed)
        });
        if authority.host().is_empty() || !port_is_one || !path_is_plain || uri.query().is_some() {
            return Err(refused());
        }
        let authorization = match user {
            Some(user) => {
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                let decode = |text| percent_decode_str(text).decode_utf8().map_err(|_| refused());
                Some(basic(&decode(user)?, &decode(password)?)?)
            }
            None => None,
        };
        Ok(Self { url: format!("{scheme}://{address}{path}"), authorization })
    }

    /// With credentials that stand elsewhere than in the URL.
    pub(super) fn authorize(mut self, credentials: Credentials) -> Result<Self, QueryProxyError> {
        if self.authorization.replace(credentials).is_some() {
            return Err(QueryProxyErrorKind::TwoCredentials.into());
        }
        Ok(self)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref().map(|credentials| &credentials.value)
    }

    /// A text of the upstream for the log. vmauth, for one, repeats the credentials that it does not
    /// know.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        let secrets = self.authorization.iter().flat_map(|credentials| &credentials.secrets);
        let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
        redact::text(&text)
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").field("url", &self.url).finish_non_exhaustive()
    }
}

/// `Basic …`
pub(super) fn basic(user: &str, password: &str) -> Result<Credentials, QueryProxyError> {
    let refused = user.is_empty()
        || user.contains(':')
        || user.contains(char::is_control)
        || password.contains(char::is_control);
    if refused {
        return Err(QueryProxyErrorKind::UserOrPassword.into());
    }
    let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
    Ok(Credentials::new("Basic", &encoded, password))
}

/// `Bearer …`
pub(super) fn bearer(token: &str) -> Result<Credentials, QueryProxyError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(allowed) {
        return Err(QueryProxyErrorKind::Token.into());
    }
    Ok(Credentials::new("Bearer", token, token))
}

impl Credentials {
    fn new(scheme: &str, encoded: &str, secret: &str) -> Self {
        let mut value = HeaderValue::from_str(&format!("{scheme} {encoded}"))
            .expect("visible ASCII is a header value");
        value.set_sensitive(true);
        // Without its padding it is found in whatever alphabet it was padded.
        let encoded = encoded.trim_end_matches('=');
        let secrets = [encoded, secret].map(str::to_owned);
        Self { value, secrets: secrets.into_iter().filter(|secret| !secret.is_empty()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_where_and_who() {
        for (url, expected, authorization) in [
            ("http://vm:8428", "http://vm:8428", None),
            ("http://vm", "http://vm", None),
            ("HTTP://[::1]:8428/", "http://[::1]:8428", None),
            (
                "http://vmselect:8481/select/0:7/prometheus/",
                "http://vmselect:8481/select/0:7/prometheus",
                None,
            ),
            ("http://ann:p%40ss@vm:8428/x", "http://vm:8428/x", Some("Basic YW5uOnBAc3M=")),
            ("http://ann@vm", "http://vm", Some("Basic YW5uOg==")),
        ] {
            let base = Base::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            let value = base.authorization().map(|value| value.to_str().unwrap());
            assert_eq!((base.url(), value), (expected, authorization), "{url}");
            assert!(!format!("{base:?}").contains("Basic"), "{base:?}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_without_its_secrets() {
        for url in [
            "",
            "vm",
            "vm:8428",
            "/vm",
            "ftp://vm",
            "http://",
            "http://:8428",
            "http://vm:",
            "http://vm:0",
            "http://vm:99999",
            "http://vm/?x=1",
            "http://vm/#x",
            "http://vm/a/../b",
            "http://vm//a",
            "http://vm/%2e%2e",
            "http://vm/a b",
            "http://ann:secret@",
            "http://ann:se/cret@vm",
            "http://ann:sec%ffret@vm",
            "http://ann:sec%0aret@vm",
            "http://:secret@vm",
        ] {
            let error = Base::parse(url).expect_err(url).to_string();
            assert!(!error.contains("ret") && !error.contains("ann:"), "{url}: {error}");
        }
    }

    #[test]
    fn credentials_are_one() {
        let base = Base::parse("http://ann@vm").unwrap();
        assert!(base.authorize(bearer("abc").unwrap()).is_err());
        let base = Base::parse("http://vm").unwrap().authorize(bearer("abc").unwrap()).unwrap();
        assert_eq!(base.authorization().unwrap(), "Bearer abc");
        for token in ["", "a b", "a\r\nb", "ä"] {
            assert!(bearer(token).is_err(), "{token}");
        }
    }
}
