//! A request in progress, and that it is accounted for exactly once.

use crate::endpoint::{RequestHead, ResponseEndpoint};
use crate::in_flight::{Lane, Lanes};
use crate::labels::MethodId;
use crate::outcome::{Ending, GrpcStatus, Outcome};
use crate::series::Slot;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use std::sync::Arc;
use std::time::Instant;

/// It is recorded when it [finishes](Self::finish) or, if nobody says how, when it is dropped: once in either case, because
/// what it records with is taken.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// `None` once recorded.
    lane: Option<Arc<Lane>>,
    start: Instant,
    method: MethodId,
    route: Slot,
    /// Of a gRPC call, the status until another comes.
    grpc: Option<GrpcStatus>,
    /// The status of the response, once there is one.
    status: Option<StatusCode>,
    /// Bytes of the response's body.
    sent: u64,
    /// How many there are to be; `u64::MAX` when nobody said.
    declared: u64,
}

impl Exchange {
    /// Starts the clock, unless the request is excluded.
    #[inline]
    pub(crate) fn start<B>(lanes: &Lanes, request: &Request<B>) -> Option<Self> {
        let recorder = lanes.recorder();
        if recorder.excludes_some() && recorder.is_excluded(RequestHead::of(request)) {
            return None;
        }
        // Before anything of the request is read: reading the clock waits for that.
        let start = Instant::now();
        let head = RequestHead::of(request);
        let method = lanes.method(head);
        let lane = lanes.enter(method)?;
        let route = lane.recorder.route(method, head)?;
        let grpc = is_grpc(head).then_some(GrpcStatus::UNKNOWN);
        Some(Self {
            lane: Some(lane),
            start,
            method,
            route,
            grpc,
            status: None,
            sent: 0,
            declared: u64::MAX,
        })
    }

    /// The response's head is there: its status is what the client gets, whatever becomes of the body. Says how the exchange
    /// ends, if that is all.
    #[inline]
    pub(crate) fn answered<B: Body>(&mut self, response: &Response<B>) -> Option<Ending> {
        self.status = Some(response.status());
        if let Some(Lane { recorder }) = self.lane.as_deref() {
            if let Some(ResponseEndpoint(endpoint)) = response.extensions().get() {
                self.route = recorder.reroute(self.route, endpoint);
            }
            recorder.headers(self.route, self.start);
        }
        self.trailers(response.headers());
        // The status of a gRPC call comes after the last byte: only the trailers are its end.
        if self.grpc.is_none() {
            self.declared = declared_length(response).unwrap_or(self.declared);
        }
        self.ends_with_head(response.status())
            .or_else(|| self.has_ended(response.body()).then_some(Ending::Complete))
    }

    /// Whether nothing more is to come of the body.
    #[inline]
    pub(crate) fn has_ended(&self, body: &impl Body) -> bool {
        self.sent >= self.declared || body.is_end_stream()
    }

    /// How the exchange ends when no body follows the head, whatever body object the service returned: servers never poll
    /// that one (RFC 9110, section 6.4.1).
    #[inline]
    fn ends_with_head(&self, status: StatusCode) -> Option<Ending> {
        match (self.method, status.as_u16()) {
            (_, 101) | (MethodId::CONNECT, 200..=299) => Some(Ending::Upgrade),
            (MethodId::HEAD, _) | (_, 204 | 304) => Some(Ending::Complete),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn data(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// A gRPC status comes in the trailers or, of a response without a body, in the headers.
    #[inline]
    pub(crate) fn trailers(&mut self, headers: &HeaderMap) {
        if let Some(grpc) = &mut self.grpc {
            *grpc = GrpcStatus::read(headers).unwrap_or(*grpc);
        }
    }

    /// Records it, if it is not recorded yet.
    #[inline]
    pub(crate) fn finish(exchange: &mut Option<Self>, ending: Ending) {
        if let Some(open) = exchange {
            open.record(ending);
        }
    }

    fn record(&mut self, ending: Ending) {
        if let Some(lane) = self.lane.take() {
            let Self { lane: _, start, method: _, route, grpc, status, sent, declared: _ } = *self;
            let elapsed = start.elapsed();
            lane.recorder.ended(route, Outcome::new(ending, status, grpc), elapsed, sent);
        }
    }
}

impl Drop for Exchange {
    #[inline]
    fn drop(&mut self) {
        if self.lane.is_some() {
            self.record(if self.status.is_none() { Ending::Cancelled } else { Ending::Aborted });
        }
    }
}

/// Stands on the stack while the service or its body runs: a panic there is the end of the exchange, and goes on.
///
/// Here and not when the exchange is dropped, for that may be after the panic was caught.
pub(crate) struct Watch<'a>(&'a mut Option<Exchange>);

impl<'a> Watch<'a> {
    #[inline]
    pub(crate) fn start(exchange: &'a mut Option<Exchange>) -> Self {
        Self(exchange)
    }

    /// There was no panic.
    #[inline]
    pub(crate) fn end(self) {
        std::mem::forget(self);
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        Exchange::finish(self.0, Ending::Panic);
    }
}

/// How many bytes the body is to have: servers write no more than that.
#[inline]
fn declared_length<B: Body>(response: &Response<B>) -> Option<u64> {
    let header = || response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    response.body().size_hint().exact().or_else(header)
}

/// `application/grpc`, `application/grpc+proto`, `application/grpc-web`…: always a POST, which spares others the look-up.
#[inline]
pub(crate) fn is_grpc(head: RequestHead<'_>) -> bool {
    head.method == Method::POST
        && head
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|content_type| content_type.as_bytes().starts_with(b"application/grpc"))
}
