//! The size of request bodies. A separate layer, because it changes the type of the body that the inner service gets.

use crate::labels::ending::Ending;
use crate::record::exemplars::SpanIds;
use crate::record::recorder::Recorder;
use crate::record::route_table::RouteId;
use bytes::Buf;
use http::{Extensions, Request};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::iter;
use std::pin::Pin;
use std::sync::atomic::{self, AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A layer that records `http_request_body_size_bytes{method,endpoint}`: how many bytes of each request's body the service read.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn app(meter: &opentelemetry::metrics::Meter) -> Result<axum::Router, tower_asdlc_metrics::BuildError> {
/// use axum::{Router, routing::post};
/// use tower_asdlc_metrics::{HttpMetricsLayer, MatchedRoute};
///
/// let metrics = HttpMetricsLayer::builder(MatchedRoute).with_body_sizes().build(meter)?;
/// let app = Router::new()
///     .route("/upload", post(|body: String| async move { body.len().to_string() }))
///     .layer(metrics.request_body_layer())
///     .layer(metrics);
/// # Ok(app) }
/// ```
///
/// It records once per request: when the request has ended, and its body has ended or was dropped. If the response [replaces](crate::ResponseEndpoint) the endpoint, that endpoint is used.
///
/// [`HttpMetricsLayer::request_body_layer`](crate::HttpMetricsLayer::request_body_layer) creates it. It must be inside of that
/// layer; elsewhere it records nothing. The inner service gets a `Request<RequestBody<B>>`: axum accepts any body, but a hyper
/// `service_fn` has to name the type or be generic.
#[derive(Clone, Debug)]
pub struct RequestBodyLayer {
    /// `None` when the layer is off.
    recorder: Option<Arc<Recorder>>,
}

impl RequestBodyLayer {
    pub(crate) fn new(recorder: Option<Arc<Recorder>>) -> Self {
        Self { recorder }
    }
}

impl<S> Layer<S> for RequestBodyLayer {
    type Service = RequestBodyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestBodyService { inner, recorder: self.recorder.clone() }
    }
}

/// The service that [`RequestBodyLayer`] returns.
#[derive(Clone, Debug)]
pub struct RequestBodyService<S> {
    inner: S,
    recorder: Option<Arc<Recorder>>,
}

impl<S, B> Service<Request<B>> for RequestBodyService<S>
where
    S: Service<Request<RequestBody<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let recorder = self.recorder.as_ref();
        let size =
            recorder.and_then(|recorder| RequestBodySize::find(request.extensions(), recorder));
        let read = size.map(|size| BytesRead { size, bytes: 0 });
        self.inner.call(request.map(|inner| RequestBody { inner, read }))
    }
}

pin_project! {
    /// The request body that the inner service of [`RequestBodyLayer`] gets. It counts the bytes of the client's body.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        read: Option<BytesRead>,
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let frame = std::task::ready!(this.inner.poll_frame(cx));
        match &frame {
            None => *this.read = None,
            Some(Ok(frame)) => {
                if let (Some(data), Some(read)) = (frame.data_ref(), this.read) {
                    read.bytes += data.remaining() as u64;
                }
            }
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// How many bytes were read so far. The final number is set on drop.
#[derive(Debug)]
struct BytesRead {
    size: Arc<RequestBodySize>,
    bytes: u64,
}

impl Drop for BytesRead {
    fn drop(&mut self) {
        self.size.set_bytes(self.bytes);
    }
}

/// Records the size of a request's body once both the size and the end of the request are known. The body can end before the
/// request does, or long after.
#[derive(Debug)]
pub(crate) struct RequestBodySize {
    recorder: Arc<Recorder>,
    end: OnceLock<RequestEnd>,
    bytes: OnceLock<u64>,
    is_recorded: AtomicBool,
    /// The [`RequestBodySize`] of the next outer layer, if several layers record the size of the body.
    outer: Option<Arc<Self>>,
}

/// What is known when the request has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestEnd {
    pub(crate) route: RouteId,
    pub(crate) ending: Ending,
    pub(crate) span: Option<SpanIds>,
}

/// The extension of a request by which [`RequestBodyService`] finds its [`RequestBodySize`].
#[derive(Clone, Debug)]
struct SizeExtension(Arc<RequestBodySize>);

impl RequestBodySize {
    /// Creates one for this request, and inserts it into the request's extensions.
    #[cold]
    pub(crate) fn insert<B>(request: &mut Request<B>, recorder: &Arc<Recorder>) -> Arc<Self> {
        let outer = request.extensions_mut().remove().map(|SizeExtension(outer)| outer);
        let size = Arc::new(Self {
            recorder: Arc::clone(recorder),
            end: OnceLock::new(),
            bytes: OnceLock::new(),
            is_recorded: AtomicBool::new(false),
            outer,
        });
        request.extensions_mut().insert(SizeExtension(Arc::clone(&size)));
        size
    }

    fn find(extensions: &Extensions, recorder: &Arc<Recorder>) -> Option<Arc<Self>> {
        let SizeExtension(innermost) = extensions.get()?;
        let mut sizes = iter::successors(Some(innermost), |size| size.outer.as_ref());
        sizes.find(|size| Arc::ptr_eq(&size.recorder, recorder)).cloned()
    }

    pub(crate) fn set_end(&self, end: RequestEnd) {
        _ = self.end.set(end);
        self.record_if_complete();
    }

    fn set_bytes(&self, bytes: u64) {
        _ = self.bytes.set(bytes);
        self.record_if_complete();
    }

    /// Called after the end was set, and after the bytes were set, maybe on two threads. At least one call sees both values.
    fn record_if_complete(&self) {
        // Without the fence, each thread could miss the value that the other has set.
        atomic::fence(Ordering::SeqCst);
        if let (Some(end), Some(bytes)) = (self.end.get(), self.bytes.get()) {
            if !self.is_recorded.swap(true, Ordering::Relaxed) {
                let RequestEnd { route, ending, span } = *end;
                self.recorder.record_request_body_size(route, ending, *bytes, span);
            }
        }
    }
}
