//! The size of request bodies: a layer of its own, because it changes the type of the body that the service gets.

use crate::record::recorder::Recorder;
use crate::record::route_table::Slot;
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

/// Records `http_request_body_size_bytes{method,endpoint}`: the bytes that the service read of each request's body, once,
/// when the body has ended or is dropped and the response's head is there. The endpoint is that of the response.
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
/// Made by [`HttpMetricsLayer::request_body_layer`](crate::HttpMetricsLayer::request_body_layer); it records nothing outside of
/// that layer. The service inside gets a
/// `Request<RequestBody<B>>`: axum takes any body; a hyper `service_fn` has to name it or be generic.
#[derive(Clone, Debug)]
pub struct RequestBodyLayer {
    /// None when the layer is off.
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

/// The service that [`RequestBodyLayer`] puts around another.
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
        let upload = recorder.and_then(|recorder| Upload::find(request.extensions(), recorder));
        let read = upload.map(|upload| Read { upload, bytes: 0 });
        self.inner.call(request.map(|inner| RequestBody { inner, read }))
    }
}

pin_project! {
    /// The request body that a service inside [`RequestBodyLayer`] gets: the client's own, counted.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        read: Option<Read>,
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

/// Bytes read so far; told when it is dropped.
#[derive(Debug)]
struct Read {
    upload: Arc<Upload>,
    bytes: u64,
}

impl Drop for Read {
    fn drop(&mut self) {
        self.upload.has_bytes(self.bytes);
    }
}

/// The size of a request's body, which is recorded once it and the route are known: the body can end before the response
/// says which route it is, or long after.
#[derive(Debug)]
pub(crate) struct Upload {
    recorder: Arc<Recorder>,
    route: OnceLock<Slot>,
    bytes: OnceLock<u64>,
    is_recorded: AtomicBool,
    /// That of another layer, further out.
    outer: Option<Arc<Self>>,
}

/// In the extensions of a request.
#[derive(Clone, Debug)]
struct Uploading(Arc<Upload>);

impl Upload {
    /// That of this request, for the layer inside.
    #[cold]
    pub(crate) fn of<B>(request: &mut Request<B>, recorder: &Arc<Recorder>) -> Arc<Self> {
        let outer = request.extensions_mut().remove().map(|Uploading(outer)| outer);
        let upload = Arc::new(Self {
            recorder: Arc::clone(recorder),
            route: OnceLock::new(),
            bytes: OnceLock::new(),
            is_recorded: AtomicBool::new(false),
            outer,
        });
        request.extensions_mut().insert(Uploading(Arc::clone(&upload)));
        upload
    }

    fn find(extensions: &Extensions, recorder: &Arc<Recorder>) -> Option<Arc<Self>> {
        let Uploading(inner) = extensions.get()?;
        let mut uploads = iter::successors(Some(inner), |upload| upload.outer.as_ref());
        uploads.find(|upload| Arc::ptr_eq(&upload.recorder, recorder)).cloned()
    }

    pub(crate) fn has_route(&self, route: Slot) {
        _ = self.route.set(route);
        self.record();
    }

    fn has_bytes(&self, bytes: u64) {
        _ = self.bytes.set(bytes);
        self.record();
    }

    /// Whoever is the second has both.
    fn record(&self) {
        // The order of both threads' steps must be one for all: else each could miss what the other has set.
        atomic::fence(Ordering::SeqCst);
        if let (Some(route), Some(bytes)) = (self.route.get(), self.bytes.get()) {
            if !self.is_recorded.swap(true, Ordering::Relaxed) {
                self.recorder.request_body(*route, *bytes);
            }
        }
    }
}
