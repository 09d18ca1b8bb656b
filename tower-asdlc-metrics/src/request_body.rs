//! The size of request bodies: a layer of its own, because it changes the type of the body that the service gets.

use crate::endpoint::RequestHead;
use crate::recorder::Recorder;
use crate::series::Slot;
use bytes::Buf;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Records `http_request_body_size_bytes{method,endpoint}`: the bytes that the service read of each request's body, once,
/// when the body ends or is dropped.
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
/// Made by [`HttpMetricsLayer::request_body_layer`](crate::HttpMetricsLayer::request_body_layer). The service inside gets a
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
        let read = recorder.and_then(|recorder| Read::start(recorder, RequestHead::of(&request)));
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

/// Bytes read so far; recorded when it is dropped.
#[derive(Debug)]
struct Read {
    recorder: Arc<Recorder>,
    route: Slot,
    bytes: u64,
}

impl Read {
    fn start(recorder: &Arc<Recorder>, head: RequestHead<'_>) -> Option<Self> {
        if recorder.is_excluded(head) {
            return None;
        }
        let route = recorder.route(recorder.methods().id(head.method), head)?;
        Some(Self { recorder: Arc::clone(recorder), route, bytes: 0 })
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        self.recorder.request_body(self.route, self.bytes);
    }
}
