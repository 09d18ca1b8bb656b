//! CORS: which pages of other origins may read responses.
//!
//! This does not use `CorsLayer` of tower-http. That layer responds to preflight requests itself: before
//! the path is checked, and without the methods of the route. It also accepts several `Origin` headers.

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

    /// Decides on the CORS headers of the response to a request with these headers.
    pub(super) fn grant(&self, request: &HeaderMap) -> CorsGrant {
        let mut origins = request.get_all(ORIGIN).iter();
        let origin = match (origins.next(), origins.next()) {
            _ if self.all => Some(HeaderValue::from_static("*")),
            (Some(origin), None) => self.origins.iter().find(|known| *known == origin).cloned(),
            _ => None,
        };
        CorsGrant { origin, varies: !self.all && !self.origins.is_empty() }
    }
}

/// Whether this is `http[s]://HOST[:PORT]` as a browser sends it.
fn is_origin(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    // In lower case, without a user, a path, or `/` at the end.
    matches!(scheme, "http" | "https")
        && !authority.as_str().contains('@')
        && !origin.contains(|c: char| c.is_ascii_uppercase())
        && origin.len() == scheme.len() + 3 + authority.as_str().len()
}

/// The CORS headers that the response to one request gets.
#[derive(Debug)]
pub(super) struct CorsGrant {
    origin: Option<HeaderValue>,
    varies: bool,
}

impl CorsGrant {
    pub(super) fn apply(self, response: &mut HeaderMap) {
        if self.varies {
            response.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.origin {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
        }
    }

    /// Adds the headers of a preflight response.
    pub(super) fn apply_preflight(&self, response: &mut HeaderMap) {
        if let (Some(_), Some(methods)) = (&self.origin, response.get(ALLOW).cloned()) {
            response.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            response.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
            response.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_the_form_that_a_browser_sends() {
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
