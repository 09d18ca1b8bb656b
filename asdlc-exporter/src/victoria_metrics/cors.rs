//! Which pages may read the answers.

use super::error::{QueryProxyError, QueryProxyErrorKind};
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, ORIGIN, VARY,
    },
};

#[derive(Debug)]
pub(super) struct Cors {
    origins: Vec<HeaderValue>,
    all: bool,
}

impl Cors {
    pub(super) fn new(origins: Vec<String>) -> Result<Self, QueryProxyError> {
        let all = origins.iter().any(|origin| origin == "*");
        let origins = origins.into_iter().filter(|origin| origin != "*");
        let origins = origins.map(|origin| match HeaderValue::from_str(&origin) {
            Ok(value) if is_origin(&origin) => Ok(value),
            _ => Err(QueryProxyErrorKind::Origin(crate::redact::text(&origin)).into()),
        });
        Ok(Self { origins: origins.collect::<Result<_, QueryProxyError>>()?, all })
    }

    /// What a request with these headers is told; kept until there is an answer to tell it with.
    pub(super) fn grant(&self, request: &HeaderMap) -> Grant {
        let mut asked = request.get_all(ORIGIN).iter();
        let origin = match (asked.next(), asked.next()) {
            _ if self.all => Some(HeaderValue::from_static("*")),
            (Some(origin), None) => self.origins.iter().find(|known| *known == origin).cloned(),
            _ => None,
        };
        Grant { origin, varies: !self.all && !self.origins.is_empty() }
    }
}

/// `http[s]://HOST[:PORT]` as a browser writes it.
fn is_origin(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    // Lower case, no user, no path, no `/` at the end.
    matches!(scheme, "http" | "https")
        && !authority.as_str().contains('@')
        && !origin.contains(|c: char| c.is_ascii_uppercase())
        && origin.len() == scheme.len() + 3 + authority.as_str().len()
}

/// The headers for one request.
#[derive(Debug)]
pub(super) struct Grant {
    origin: Option<HeaderValue>,
    varies: bool,
}

impl Grant {
    pub(super) fn apply(self, answer: &mut HeaderMap) {
        if self.varies {
            answer.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.origin {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
        }
    }

    /// What a browser asks before a request that is not simple.
    pub(super) fn preflight(&self, answer: &mut HeaderMap) {
        if let (Some(_), Some(methods)) = (&self.origin, answer.get(ALLOW).cloned()) {
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for (origin, expected) in [
            ("https://a.example", true),
            ("http://localhost:3000", true),
            ("http://[::1]:3000", true),
            ("https://a.example/", false),
            ("https://A.example", false),
            ("a.example", false),
            ("null", false),
            ("", false),
            ("https://user@a.example", false),
            ("https://a.example?x", false),
            ("ws://a.example", false),
        ] {
            assert_eq!(Cors::new(vec![origin.to_owned()]).is_ok(), expected, "{origin}");
        }
    }
}
