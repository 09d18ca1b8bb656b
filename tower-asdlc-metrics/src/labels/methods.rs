//! The values of `method`: a closed set, so that no client can add a series with a method of its own.

use crate::labels::values::OTHER;
use http::Method;

/// The methods that have a label value of their own: the nine standard methods, and those that the application added.
#[derive(Debug, Default)]
pub(crate) struct Methods {
    pub(crate) additional: Vec<Method>,
    /// Standard methods that are not in the list of the application. Their value is [`OTHER`]. They keep their [`MethodId`],
    /// because the end of a response to `HEAD` and `CONNECT` does not depend on labels.
    pub(crate) unlisted: Vec<Method>,
}

/// A method, as its index in [`Methods`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodId(pub(crate) u8);

impl Methods {
    /// The number of label values. The last one is [`OTHER`].
    pub(crate) fn count(&self) -> usize {
        STANDARD.len() + self.additional.len() + 1
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
                let index = self.additional.iter().position(|additional| additional == method);
                // At most MAX_METHODS, which fits into a byte.
                (STANDARD.len() + index.unwrap_or(self.additional.len())) as u8
            }
        })
    }

    /// Replaces the list: only these methods have a label value of their own.
    pub(crate) fn replace(&mut self, known: impl IntoIterator<Item = Method>) {
        let (standard, additional): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|method| STANDARD.contains(&method.as_str()));
        let unlisted = STANDARD.into_iter().filter_map(method);
        self.unlisted = unlisted.filter(|method| !standard.contains(method)).collect();
        self.additional = additional;
    }

    pub(crate) fn name(&self, id: MethodId) -> &str {
        let index = id.index();
        match STANDARD.get(index) {
            Some(name) if self.unlisted.iter().any(|unlisted| unlisted.as_str() == *name) => OTHER,
            Some(name) => name,
            None => self.additional.get(index - STANDARD.len()).map_or(OTHER, Method::as_str),
        }
    }
}

impl MethodId {
    pub(crate) const HEAD: Self = Self(1);
    const POST: Self = Self(2);
    pub(crate) const CONNECT: Self = Self(5);

    /// Whether the body that a response declares may not be sent (`HEAD`, `CONNECT`), or a request may be a gRPC call (`POST`).
    #[inline(always)]
    pub(crate) fn is_special(self) -> bool {
        const SPECIAL: u64 =
            1 << MethodId::HEAD.0 | 1 << MethodId::CONNECT.0 | 1 << MethodId::POST.0;
        SPECIAL >> (self.0 & 63) & 1 != 0
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The methods of RFC 9110 and PATCH (RFC 5789), which OpenTelemetry's HTTP conventions call the known methods.
const STANDARD: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// A method that OpenTelemetry's conventions know besides the standard ones: `draft-ietf-httpbis-safe-method-w-body`.
pub(crate) fn query() -> Option<Method> {
    method("QUERY")
}

fn method(name: &str) -> Option<Method> {
    Method::from_bytes(name.as_bytes()).ok()
}

/// OpenTelemetry's environment variable with the list of methods.
pub(crate) const KNOWN_METHODS_VARIABLE: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";

/// How many methods the builder accepts in addition.
pub(crate) const MAX_ADDITIONAL_METHODS: usize = 16;

/// The largest number of label values: the standard methods, the additional ones, `QUERY`, and `_OTHER`.
pub(crate) const MAX_METHODS: usize = STANDARD.len() + MAX_ADDITIONAL_METHODS + 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn method(name: &str) -> Method {
        super::method(name).unwrap()
    }

    //
    #[test]
    fn a_method_has_its_name_or_other() {
        let methods = Methods { additional: vec![method("PURGE")], unlisted: Vec::new() };
        for name in STANDARD.iter().copied().chain(["PURGE"]) {
            assert_eq!(methods.name(methods.id(&method(name))), name);
        }
        for name in ["get", "PROPFIND", "X"] {
            let id = methods.id(&method(name));
            assert_eq!(methods.name(id), OTHER);
            assert_eq!(id.index() + 1, methods.count());
        }
    }

    //
    #[test]
    fn a_replaced_list_leaves_the_standard_methods_their_numbers() {
        let mut methods = Methods::default();
        methods.replace(["GET", "PURGE"].map(method));
        for (name, expected) in [("GET", "GET"), ("PURGE", "PURGE"), ("HEAD", OTHER), ("X", OTHER)]
        {
            assert_eq!(methods.name(methods.id(&method(name))), expected, "{name}");
        }
        assert_eq!(methods.id(&Method::HEAD), MethodId::HEAD);
        assert_eq!(methods.id(&Method::CONNECT), MethodId::CONNECT);
    }
}
