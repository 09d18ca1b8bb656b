#[cfg(feature = "axum")]
use axum::extract::OriginalUri;
use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

/// The head of a request, borrowed. An [`Endpoint`](crate::Endpoint) and the functions of the builder read it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is the request's part of that name")]
pub struct RequestHead<'a> {
    pub method: &'a Method,
    uri: &'a Uri,
    /// Whether the request is sent, not received.
    is_outgoing: bool,
    pub version: Version,
    pub headers: &'a HeaderMap,
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    #[inline(always)]
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            is_outgoing: false,
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The head of a request that a client sends, if `is_outgoing`.
    #[inline(always)]
    pub(crate) fn with_direction(self, is_outgoing: bool) -> Self {
        Self { is_outgoing, ..self }
    }

    /// The URI of the request itself.
    pub(crate) fn own_uri(&self) -> &'a Uri {
        self.uri
    }

    /// The URI that the client requested.
    ///
    /// Of a request that a client sends, it is the URI of that request.
    ///
    /// Inside an axum `nest`, axum removes the prefix from the URI of the request and stores the original URI. With the feature
    /// `axum`, this method returns the original URI. Without it, this method returns the URI of the request, which outer
    /// layers may have changed.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        // A proxy sends requests that it has received. They may still have the extension of its server.
        if self.is_outgoing {
            return self.uri;
        }
        #[cfg(feature = "axum")]
        if let Some(OriginalUri(uri)) = self.extensions.get() {
            return uri;
        }
        self.uri
    }

    /// Whether this is a gRPC or gRPC-Web call: a POST with `application/grpc`, `application/grpc+proto`,
    /// `application/grpc-web`… The method is compared first: other methods need no look-up of the header.
    #[inline(always)]
    pub(crate) fn is_grpc(self) -> bool {
        self.method == Method::POST && has_grpc_type(self.headers)
    }
}

#[inline(never)]
fn has_grpc_type(headers: &HeaderMap) -> bool {
    let is_grpc_type = |content_type: &[u8]| {
        let start = content_type.get(..GRPC.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
    };
    headers.get(CONTENT_TYPE).is_some_and(|value| is_grpc_type(value.as_bytes()))
}

const GRPC: &[u8] = b"application/grpc";
