//! The URL of `VictoriaMetrics`, and the credentials that the proxy sends.

use super::error::{QueryProxyError, QueryProxyErrorKind};
use crate::{
    credentials::{Credentials, InvalidCredentials},
    redact,
};
use http::{HeaderValue, Uri, uri::Scheme};
use percent_encoding::percent_decode_str;
use std::fmt;

/// A URL without its user, for example `http://vmselect:8481/select/0/prometheus`, and the
/// credentials for it.
#[derive(Clone)]
pub(super) struct BaseUrl {
    /// Scheme, host, port and path, without a user and without `/` at the end.
    url: String,
    credentials: Option<Credentials>,
}

impl BaseUrl {
    pub(super) fn parse(url: &str) -> Result<Self, QueryProxyError> {
        let invalid = || QueryProxyError::from(QueryProxyErrorKind::Url);
        // `http::Uri` ignores the fragment.
        if url.contains('#') {
            return Err(invalid());
        }
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(invalid());
        };
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            return Err(invalid());
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
        let has_valid_port = match authority.port() {
            Some(port) => port.as_str().parse::<u16>().is_ok_and(|port| port > 0),
            // This is false for `host:` and `host:99999`.
            None => authority.host() == address,
        };
        let has_plain_path = path.split('/').skip(1).all(|part| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed)
        });
        if authority.host().is_empty()
            || !has_valid_port
            || !has_plain_path
            || uri.query().is_some()
        {
            return Err(invalid());
        }
        let credentials = match user {
            Some(user) => {
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                let decode = |text| percent_decode_str(text).decode_utf8().map_err(|_| invalid());
                let credentials = Credentials::basic(&decode(user)?, &decode(password)?);
                Some(
                    credentials
                        .map_err(|InvalidCredentials| QueryProxyErrorKind::UserOrPassword)?,
                )
            }
            None => None,
        };
        Ok(Self { url: format!("{scheme}://{address}{path}"), credentials })
    }

    /// Adds credentials that are not in the URL.
    pub(super) fn with_credentials(
        mut self,
        credentials: Credentials,
    ) -> Result<Self, QueryProxyError> {
        match self.credentials.replace(credentials) {
            Some(_) => Err(QueryProxyErrorKind::MultipleCredentials.into()),
            None => Ok(self),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The value of `Authorization`.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        self.credentials.as_ref().map(Credentials::to_header)
    }

    /// Removes secrets from a text of the upstream, for the log. A proxy such as vmauth repeats the
    /// credentials that it refuses.
    pub(super) fn redact(&self, text: &str) -> String {
        let secrets = self.credentials.iter().flat_map(Credentials::secrets);
        let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
        redact::text(&text)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseUrl").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_address_and_credentials() {
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
            let base = BaseUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            let value = base.authorization();
            let value = value.as_ref().map(|value| value.to_str().unwrap());
            assert_eq!((base.url(), value), (expected, authorization), "{url}");
            assert!(!format!("{base:?}").contains("Basic"), "{base:?}");
        }
    }

    #[test]
    fn an_invalid_url_is_refused_without_its_secrets() {
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
            let error = BaseUrl::parse(url).expect_err(url).to_string();
            assert!(!error.contains("ret") && !error.contains("ann:"), "{url}: {error}");
        }
    }

    #[test]
    fn only_one_kind_of_credentials_is_accepted() {
        let token = || Credentials::bearer("abc").unwrap();
        let base = BaseUrl::parse("http://ann@vm").unwrap();
        assert!(base.with_credentials(token()).is_err());
        let base = BaseUrl::parse("http://vm").unwrap().with_credentials(token()).unwrap();
        assert_eq!(base.authorization().unwrap(), "Bearer abc");
        for token in ["", "a b", "a\r\nb", "ä"] {
            assert!(Credentials::bearer(token).is_err(), "{token}");
        }
    }
}
