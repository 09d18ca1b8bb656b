use crate::record::exemplars::SpanIds;
use crate::record::recorder::Recorder;
use crate::service::grpc_web::TrailerReader;
use crate::service::request_body::RequestBodySize;
use crate::service::request_span;
use crate::service::upgrade::UpgradeGuard;
use http::Request;
use std::cell::Cell;
use std::mem;
use std::sync::Arc;

/// The state that only some exchanges need. It is boxed, so that it takes only a pointer in all other exchanges.
#[derive(Debug)]
pub(crate) struct OptionalParts {
    /// The span that the measurements belong to.
    span: Option<SpanIds>,
    /// Whether [`more_mut`](Self::more_mut) was called. If not, there is nothing in `more`.
    may_have_more: bool,
    more: MoreParts,
    /// The box that was left before this one. Only set while this box is left for a later request.
    left_before: Option<Box<Self>>,
}

/// All parts but the span: with exemplars, many exchanges have only a span.
#[derive(Debug)]
pub(crate) struct MoreParts {
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
}

impl OptionalParts {
    #[cold]
    pub(crate) fn with_endpoint(endpoint: Box<str>) -> Box<Self> {
        let mut parts = Box::<Self>::default();
        parts.more_mut().endpoint = Some(endpoint);
        parts
    }

    #[inline(always)]
    pub(crate) fn more(&self) -> &MoreParts {
        &self.more
    }

    #[inline(always)]
    pub(crate) fn more_mut(&mut self) -> &mut MoreParts {
        self.may_have_more = true;
        &mut self.more
    }

    /// Adds what the optional metrics and exemplars need of this request.
    #[inline(always)]
    pub(crate) fn add_for_request<B>(
        parts: &mut Option<Box<Self>>,
        request: &mut Request<B>,
        recorder: &Arc<Recorder>,
    ) {
        if recorder.needs_only_sampled_spans() {
            request_span::add_sampled(parts, request.extensions(), request.headers(), recorder);
        } else {
            Self::add_all(parts, request, recorder);
        }
    }

    #[inline(never)]
    fn add_all<B>(
        parts: &mut Option<Box<Self>>,
        request: &mut Request<B>,
        recorder: &Arc<Recorder>,
    ) {
        if let Some(exemplars) = recorder.exemplars() {
            request_span::add_sampled(parts, request.extensions(), request.headers(), recorder);
            if let (None, Some(none)) = (Self::span(parts), exemplars.unsampled()) {
                Self::add_span(parts, none);
            }
        }
        if recorder.sizes_request_bodies() {
            let size = RequestBodySize::insert(request, recorder);
            parts.get_or_insert_default().more_mut().request_body = Some(size);
        }
        if recorder.counts_upgrades() {
            if let Some(guard) = UpgradeGuard::insert(request) {
                parts.get_or_insert_default().more_mut().upgrade = Some(guard);
            }
        }
    }

    #[inline(always)]
    pub(crate) fn add_span(parts: &mut Option<Box<Self>>, span: SpanIds) {
        let mut own = parts.take().unwrap_or_else(Self::recycled);
        own.span = Some(span);
        drop_none(parts.replace(own));
    }

    /// Whether there is an endpoint of a route that does not exist yet.
    #[inline(always)]
    pub(crate) fn have_endpoint(parts: &Option<Box<Self>>) -> bool {
        parts.as_ref().is_some_and(|parts| parts.more.endpoint.is_some())
    }

    /// The span of an exchange that has not finished.
    pub(crate) fn span(parts: &Option<Box<Self>>) -> Option<SpanIds> {
        parts.as_ref()?.span
    }

    /// Takes the span, and leaves the box for a later request of this thread. Does nothing and returns `None` if there may be
    /// more than a span.
    #[inline(always)]
    pub(crate) fn take_only_span(parts: &mut Option<Box<Self>>) -> Option<SpanIds> {
        let only = parts.take_if(|parts| !parts.may_have_more)?;
        let span = only.span;
        Self::leave(only);
        span
    }

    /// A box that an earlier request of this thread has left, or a new one. So a sampled request does not allocate. The box may
    /// still contain the span of the earlier request.
    #[inline(always)]
    fn recycled() -> Box<Self> {
        let left = LEFT.try_with(|left| {
            let mut last = left.last.take()?;
            drop_none(left.last.replace(last.left_before.take()));
            left.count.set(left.count.get() - 1);
            Some(last)
        });
        left.ok().flatten().unwrap_or_default()
    }

    /// Clears the box, and leaves it for a later request of this thread.
    #[cold]
    pub(crate) fn recycle(mut parts: Box<Self>) {
        *parts = Self::default();
        Self::leave(parts);
    }

    /// Does the same as [`recycle`](Self::recycle) for a box with at most a span, but does not
    /// clear it.
    #[inline(always)]
    fn leave(mut parts: Box<Self>) {
        // An error means that the thread ends. Then the box is dropped.
        _ = LEFT.try_with(|left| {
            if left.count.get() < MAX_LEFT {
                left.count.set(left.count.get() + 1);
                drop_none(mem::replace(&mut parts.left_before, left.last.take()));
                drop_none(left.last.replace(Some(parts)));
            }
        });
    }
}

/// Not derived: with derived impls of both structs, the compiler would build the inner one on the stack and copy it.
impl Default for OptionalParts {
    #[inline(always)]
    fn default() -> Self {
        Self {
            span: None,
            may_have_more: false,
            more: MoreParts {
                endpoint: None,
                unlisted_path: None,
                request_body: None,
                upgrade: None,
                grpc_web: None,
            },
            left_before: None,
        }
    }
}

/// Drops parts that are always `None`. The compiler does not know that, and would call a function.
#[inline(always)]
fn drop_none(parts: Option<Box<OptionalParts>>) {
    #[cold]
    fn drop_some(_: Option<Box<OptionalParts>>) {}
    if parts.is_some() { drop_some(parts) } else { mem::forget(parts) }
}

/// The boxes that requests have left.
struct Left {
    /// A linked list: each box has the one that was left before it.
    last: Cell<Option<Box<OptionalParts>>>,
    count: Cell<usize>,
}

thread_local! {
    static LEFT: Left = const { Left { last: Cell::new(None), count: Cell::new(0) } };
}

/// How many boxes a thread keeps at most.
const MAX_LEFT: usize = 64;
