//! The routes of the proxy: their paths and methods, and the path of `VictoriaMetrics` that each calls.
//! Requests for other paths do not reach `VictoriaMetrics`.

use http::{HeaderValue, Method};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Route {
    QueryRange,
    Query,
    Services,
    Health,
    OpenApi,
    Docs,
}

impl Route {
    /// Finds the route by the end of a path. Any plain prefix is allowed, so that the proxy works under
    /// any path, whether a router removes the prefix or not.
    ///
    /// For [`Docs`](Self::Docs) the result also has the name of the requested file. It is `None` for `docs`
    /// without a `/` at its end.
    pub(super) fn find(path: &str) -> Option<(Self, Option<&str>)> {
        let mut segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let last = segments.pop()?;
        let plain = |segment: &&str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte);
            !segment.is_empty()
                && *segment != "."
                && *segment != ".."
                && segment.bytes().all(allowed)
        };
        // Other servers may interpret `//`, `..` and `%2e` differently.
        if !segments.iter().all(plain) {
            return None;
        }
        if segments.last() == Some(&"docs") {
            return (last.is_empty() || plain(&last)).then_some((Self::Docs, Some(last)));
        }
        let route = match last {
            "query_range" => Self::QueryRange,
            "query" => Self::Query,
            "services" => Self::Services,
            "health" => Self::Health,
            "openapi.json" => Self::OpenApi,
            "docs" => Self::Docs,
            _ => return None,
        };
        Some((route, None))
    }

    /// The value of the label `route`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::QueryRange => "query_range",
            Self::Query => "query",
            Self::Services => "services",
            Self::Health => "health",
            Self::OpenApi => "openapi",
            Self::Docs => "docs",
        }
    }

    /// The path of `VictoriaMetrics` that this route calls.
    pub(super) fn upstream_path(self) -> &'static str {
        match self {
            Self::QueryRange => "/api/v1/query_range",
            Self::Services => "/api/v1/label/service/values",
            // `OpenApi` and `Docs` do not call VictoriaMetrics.
            Self::Query | Self::Health | Self::OpenApi | Self::Docs => "/api/v1/query",
        }
    }

    pub(super) fn allows(self, method: &Method) -> bool {
        let posts = matches!(self, Self::QueryRange | Self::Query);
        *method == Method::GET || *method == Method::HEAD || (posts && *method == Method::POST)
    }

    /// The value of `Allow`.
    pub(super) fn methods(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::QueryRange | Self::Query => "GET, HEAD, POST, OPTIONS",
            Self::Services | Self::Health | Self::OpenApi | Self::Docs => "GET, HEAD, OPTIONS",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_found_under_any_plain_prefix_and_no_other() {
        for (path, expected) in [
            ("/query_range", Some((Route::QueryRange, None))),
            ("/api/metrics/query_range", Some((Route::QueryRange, None))),
            ("/a/b/c/query", Some((Route::Query, None))),
            ("/services", Some((Route::Services, None))),
            ("/health", Some((Route::Health, None))),
            ("/openapi.json", Some((Route::OpenApi, None))),
            ("/docs", Some((Route::Docs, None))),
            ("/api/docs/", Some((Route::Docs, Some("")))),
            ("/api/docs/a.css", Some((Route::Docs, Some("a.css")))),
            ("/docs/query", Some((Route::Docs, Some("query")))),
            ("/docs/..", None),
            ("/docs/%2e%2e", None),
            ("/docs//a.css", None),
            ("", None),
            ("/", None),
            ("query", None),
            ("//query", None),
            ("/api//query", None),
            ("/api/../query", None),
            ("/api/./query", None),
            ("/%2e%2e/query", None),
            ("/api%2Fquery", None),
            ("/query/", None),
            ("/query;x=1", None),
            ("/a;b/query", None),
            ("/a\\query", None),
            ("/query%00", None),
            ("/Query", None),
            ("/api/v1/admin/tsdb/delete_series", None),
            ("/query/delete_series", None),
        ] {
            assert_eq!(Route::find(path), expected, "{path}");
        }
    }
}
