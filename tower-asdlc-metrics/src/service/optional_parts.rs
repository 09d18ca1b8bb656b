use crate::record::exemplars::SpanIds;
use crate::record::recorder::Recorder;
use crate::service::grpc_web::TrailerReader;
use crate::service::request_body::RequestBodySize;
use crate::service::request_span::keep_sampled;
use crate::service::upgrade::UpgradeGuard;
use http::Request;
use std::cell::RefCell;
use std::sync::Arc;

/// The state that only some exchanges need. It is boxed, so that it takes only a pointer in all other exchanges.
#[derive(Debug, Default)]
pub(crate) struct OptionalParts {
    /// The endpoint of a route that does not exist yet.
    pub(crate) endpoint: Option<Box<str>>,
    /// The path of a gRPC call to a method that is not listed.
    pub(crate) unlisted_path: Option<Box<str>>,
    /// The size of the request's body, until the request has ended.
    pub(crate) request_body: Option<Arc<RequestBodySize>>,
    /// The guard of a request for an upgrade, until the connection is upgraded.
    pub(crate) upgrade: Option<UpgradeGuard>,
    /// Reads the body of a gRPC-Web response.
    pub(crate) grpc_web: Option<TrailerReader>,
    /// The span that the measurements belong to.
    pub(crate) span: Option<SpanIds>,
}

impl OptionalParts {
    #[cold]
    pub(crate) fn with_endpoint(endpoint: Box<str>) -> Box<Self> {
        Box::new(Self { endpoint: Some(endpoint), ..Self::default() })
    }

    /// Adds what the optional metrics and exemplars need of this request.
    #[inline(never)]
    pub(crate) fn add_for_request<B>(
        parts: &mut Option<Box<Self>>,
        request: &mut Request<B>,
        recorder: &Arc<Recorder>,
    ) {
        if let Some(exemplars) = recorder.exemplars() {
            let mut keep = |span| parts.get_or_insert_with(Self::recycled).span = Some(span);
            let (extensions, headers) = (request.extensions(), request.headers());
            if !keep_sampled(extensions, headers, recorder, &mut keep) {
                exemplars.unsampled().map(keep);
            }
        }
        if recorder.sizes_request_bodies() {
            let size = RequestBodySize::insert(request, recorder);
            parts.get_or_insert_default().request_body = Some(size);
        }
        if recorder.counts_upgrades() {
            if let Some(guard) = UpgradeGuard::insert(request) {
                parts.get_or_insert_default().upgrade = Some(guard);
            }
        }
    }

    /// Whether there is an endpoint of a route that does not exist yet.
    #[inline(always)]
    pub(crate) fn have_endpoint(parts: &Option<Box<Self>>) -> bool {
        parts.as_ref().is_some_and(|parts| parts.endpoint.is_some())
    }

    /// The span of an exchange that has not finished.
    pub(crate) fn span(parts: &Option<Box<Self>>) -> Option<SpanIds> {
        parts.as_ref()?.span
    }

    /// A box that an earlier request of this thread has left, or a new one. So a sampled request does not allocate. The box may
    /// have the span of that request.
    #[inline(never)]
    fn recycled() -> Box<Self> {
        let left = LEFT.try_with(|left| left.try_borrow_mut().ok()?.pop());
        left.ok().flatten().unwrap_or_default()
    }

    /// Whether there is a span, and all else is `None`.
    #[inline(always)]
    pub(crate) fn have_only_span(&self) -> bool {
        let Self { endpoint, unlisted_path, request_body, upgrade, grpc_web, span } = self;
        span.is_some()
            && endpoint.is_none()
            && unlisted_path.is_none()
            && request_body.is_none()
            && upgrade.is_none()
            && grpc_web.is_none()
    }

    /// Leaves the box for a later request of this thread.
    #[cold]
    pub(crate) fn recycle(mut parts: Box<Self>) {
        *parts = Self::default();
        Self::leave(parts);
    }

    /// As [`recycle`](Self::recycle), for parts that [have only a span](Self::have_only_span). Returns the span,
    /// which the box keeps.
    #[inline(always)]
    pub(crate) fn recycle_only_span(parts: Box<Self>) -> Option<SpanIds> {
        let span = parts.span;
        Self::leave(parts);
        span
    }

    #[inline(always)]
    fn leave(parts: Box<Self>) {
        // An error: the thread ends.
        _ = LEFT.try_with(|left| {
            if let Ok(mut left) = left.try_borrow_mut() {
                if left.len() < MAX_LEFT {
                    left.push(parts);
                }
            }
        });
    }
}

thread_local! {
    #[expect(clippy::vec_box, reason = "the boxes are reused, not only their contents")]
    static LEFT: RefCell<Vec<Box<OptionalParts>>> = const { RefCell::new(Vec::new()) };
}

/// How many boxes a thread keeps, whatever the number of its requests was.
const MAX_LEFT: usize = 64;
