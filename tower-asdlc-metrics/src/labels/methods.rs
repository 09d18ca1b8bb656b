//! The values that labels may take: closed sets, so that no client can add a series by inventing one.

use http::Method;

/// The methods that are told apart: nine, and those that the builder was given.
#[derive(Debug, Default)]
pub(crate) struct Methods {
    extra: Vec<Method>,
}

/// A method by its number in [`Methods`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodId(pub(crate) u8);

impl Methods {
    pub(crate) fn new(extra: Vec<Method>) -> Self {
        Self { extra }
    }

    /// With [`OTHER`], which is the last.
    pub(crate) fn count(&self) -> usize {
        METHODS.len() + self.extra.len() + 1
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = MethodId> {
        // Truncates nothing: the builder allows few.
        (0..self.count() as u8).map(MethodId)
    }

    #[inline]
    pub(crate) fn id(&self, method: &Method) -> MethodId {
        MethodId(match *method {
            Method::GET => 0,
            Method::HEAD => 1,
            Method::POST => 2,
            Method::PUT => 3,
            Method::DELETE => 4,
            Method::CONNECT => 5,
            Method::OPTIONS => 6,
            Method::TRACE => 7,
            Method::PATCH => 8,
            _ => {
                let extra = self.extra.iter().position(|extra| extra == method);
                // Truncates nothing: the builder allows few.
                (METHODS.len() + extra.unwrap_or(self.extra.len())) as u8
            }
        })
    }

    pub(crate) fn name(&self, id: MethodId) -> &str {
        let index = id.index();
        match METHODS.get(index) {
            Some(name) => name,
            None => self.extra.get(index - METHODS.len()).map_or(OTHER, Method::as_str),
        }
    }
}

impl MethodId {
    pub(crate) const HEAD: Self = Self(1);
    pub(crate) const CONNECT: Self = Self(5);

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The methods of RFC 9110 and PATCH (RFC 5789): what OpenTelemetry's HTTP conventions call the known ones.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// How many methods a builder may add.
pub(crate) const MAX_EXTRA_METHODS: usize = 16;

/// What this crate labels by itself, what the exporter does, and what Prometheus keeps for histograms.
pub(crate) const RESERVED: [&str; 9] = [
    "method",
    "endpoint",
    "status",
    "error_type",
    "grpc_status",
    "service",
    "environment",
    "le",
    "quantile",
];

/// OpenTelemetry's value for what is outside a closed set: an unknown method, a gRPC method that the server does not
/// have, a label value that was not announced.
pub const OTHER: &str = "_OTHER";

/// The `endpoint` of a request that no route matched.
pub const UNMATCHED: &str = "_UNMATCHED";

/// The `endpoint` of requests that came after the cap on series was reached.
pub const OVERFLOW: &str = "_OVERFLOW";

#[cfg(test)]
mod tests {
    use super::*;

    fn method(name: &str) -> Method {
        Method::from_bytes(name.as_bytes()).unwrap()
    }

    //
    #[test]
    fn a_method_is_itself_or_other() {
        let methods = Methods::new(vec![method("PURGE")]);
        for name in METHODS.iter().copied().chain(["PURGE"]) {
            assert_eq!(methods.name(methods.id(&method(name))), name);
        }
        for name in ["get", "PROPFIND", "X"] {
            let id = methods.id(&method(name));
            assert_eq!(methods.name(id), OTHER);
            assert_eq!(id.index() + 1, methods.count());
        }
    }
}
