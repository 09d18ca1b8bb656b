//! One request from its head to its end. It is recorded exactly once.

use crate::labels::ending::Progress;
use crate::labels::endpoint::ResponseEndpoint;
use crate::labels::grpc_status::{GrpcCall, GrpcStatus};
use crate::labels::methods::MethodId;
use crate::labels::outcome::Outcome;
use crate::labels::protocol::ProtocolVersion;
use crate::labels::request_head::RequestHead;
use crate::labels::request_labels::{HostId, MethodAndScheme, RequestLabels};
use crate::labels::user_label::UserLabelValues;
use crate::record::exemplars::SpanIds;
use crate::record::flags::{Flag, FlagSet};
use crate::record::recorder::FinishedExchange;
use crate::record::route::RouteKey;
use crate::record::route_table::RouteId;
use crate::record::shard::Shard;
use crate::service::body_length::BodyLength;
use crate::service::grpc_web::TrailerReader;
use crate::service::optional_parts::OptionalParts;
use crate::service::request_body::RequestEnd;
use bytes::Buf;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{Extensions, HeaderMap, Request, Response, StatusCode, Version};
use http_body::{Body, Frame};
use std::mem::{self, ManuallyDrop};
use std::sync::Arc;
use std::time::Instant;

/// A request that has started.
///
/// It is recorded when it [finishes](Self::finish), or when it is dropped before that. Recording takes the shard, so that it
/// happens only once.
///
/// It has 64 bytes. It is moved with the response and its body, and larger values take more instructions to move.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// `None` once recorded. `ManuallyDrop`, here and below, because `Exchange::drop` records the exchange. After that nothing is
    /// left to drop.
    shard: ManuallyDrop<Option<Arc<Shard>>>,
    start: Instant,
    user_labels: UserLabelValues,
    method: MethodAndScheme,
    host: HostId,
    /// [`RouteId::NONE`] until the route is created.
    route: RouteId,
    progress: Progress,
    /// Bytes of the response's body so far.
    sent: u64,
    length: BodyLength,
    /// `None` for most requests, and once recorded.
    parts: ManuallyDrop<Option<Box<OptionalParts>>>,
}

impl Exchange {
    /// Starts the clock. `None` if the request is excluded.
    #[inline(always)]
    pub(crate) fn start<B>(shard: &Arc<Shard>, request: &mut Request<B>) -> Option<Self> {
        let recorder = shard.recorder();
        let flags = recorder.flags();
        let is_client = flags.contains(Flag::IS_CLIENT);
        let is_excluded =
            || recorder.is_excluded(RequestHead::of(request).with_direction(is_client));
        if flags.contains(Flag::HAS_EXCLUSIONS) && is_excluded() {
            return None;
        }
        // Before the head is read, because the processor reads the clock only after earlier loads have completed.
        let start = Instant::now();
        let head = RequestHead::of(request).with_direction(is_client);
        let (labels, version) = recorder.start(head, flags);
        let (route, mut parts) = match recorder.find_route(labels, head) {
            Ok(route) => (route, None),
            Err(endpoint) => (RouteId::NONE, Some(OptionalParts::with_endpoint(endpoint))),
        };
        let is_grpc = head.is_grpc();
        if is_grpc {
            let new = parts.as_ref().and_then(|parts| parts.endpoint.as_deref());
            if let Some(path) = recorder.keep_unlisted_path(route, new, head) {
                parts.get_or_insert_default().unlisted_path = Some(path);
            }
        }
        let grpc = if is_grpc { GrpcCall::NO_STATUS } else { GrpcCall::NOT_GRPC };
        let length = BodyLength::undeclared(head.version);
        if flags.contains(Flag::HAS_OPTIONAL_PARTS) {
            OptionalParts::add_for_request(&mut parts, request, recorder);
        }
        Some(Self {
            shard: ManuallyDrop::new(Some(shard.enter(recorder.slot(labels, flags), flags))),
            start,
            user_labels: labels.user_labels(),
            method: labels.method_and_scheme(),
            host: labels.host(),
            route,
            progress: Progress::new(version, grpc),
            sent: 0,
            length,
            parts: ManuallyDrop::new(parts),
        })
    }

    /// The request is sent by a client, which reads a body until the body says that it has ended. (The request of a client does not
    /// tell which version of HTTP the connection has.)
    #[inline]
    pub(crate) fn expect_end_of_body(&mut self) {
        self.length.expect_end_after_last_byte();
    }

    /// The inner service has responded. From here on the status is that of the response, whatever happens to the body.
    #[inline(always)]
    pub(crate) fn on_response<B: Body>(&mut self, response: &Response<B>) {
        self.progress.set_status(response.status());
        let endpoint = response.extensions().get();
        if endpoint.is_some() || OptionalParts::have_endpoint(&self.parts) {
            self.create_route(endpoint);
        }
        if self.flags().is_some_and(|flags| flags.contains(Flag::READS_RESPONSE)) {
            self.read_response(response.version(), response.extensions());
        }
        let headers = response.headers();
        if self.progress.grpc.is_grpc() {
            self.on_grpc_response(headers);
        }
        let may_end = response.status() != StatusCode::OK
            || matches!(self.method.method(), MethodId::HEAD | MethodId::CONNECT);
        let outcome = if may_end { self.outcome_without_body(response.status()) } else { None };
        let outcome = outcome.or_else(|| {
            self.length.declare(headers, &response.body().size_hint());
            self.length.at_head(response.body().is_end_stream()).outcome()
        });
        if let Some(outcome) = outcome {
            self.finish(outcome);
        }
    }

    /// A frame of the response's body passes. `is_last`: nothing follows it.
    #[inline]
    pub(crate) fn on_frame<D: Buf>(&mut self, frame: &Frame<D>, is_last: bool) {
        if let Some(data) = frame.data_ref() {
            self.sent += data.remaining() as u64;
            if self.parts.is_some() {
                self.read_grpc_web(data);
            }
        }
        if let Some(trailers) = frame.trailers_ref() {
            self.read_grpc_status(trailers);
        }
        self.finish_at_end(is_last);
    }

    /// The response's body has no more frames.
    #[inline]
    pub(crate) fn on_body_end(&mut self) {
        self.finish_at_end(true);
    }

    /// Finishes the exchange if the body says that it has ended, or if its declared length was sent.
    #[inline]
    fn finish_at_end(&mut self, is_end: bool) {
        if let Some(outcome) = self.length.after(self.sent, is_end).outcome() {
            self.finish(outcome);
        }
    }

    /// Finishes the exchange. Does nothing for an excluded request, which has no exchange.
    #[inline]
    pub(crate) fn finish_if_open(exchange: &mut Option<Self>, outcome: Outcome) {
        if let Some(exchange) = exchange {
            exchange.finish(outcome);
        }
    }

    /// The body of a client's response is dropped, and was never polled. That is no failure, except for a gRPC call, whose status
    /// is in the trailers.
    #[cold]
    pub(crate) fn on_unread(&mut self) {
        if self.shard.is_some() && !self.progress.grpc.is_grpc() {
            self.finish(Outcome::Complete);
        }
    }

    /// Finishes the exchange of a client whose service or response body has returned an error. `otherwise` is the outcome if
    /// nothing is known of the error.
    #[cold]
    pub(crate) fn finish_with_error<E: 'static>(&mut self, error: &E, otherwise: Outcome) {
        if let Some(shard) = self.shard.as_deref() {
            let error_type = shard.recorder().error_type(error);
            self.finish(error_type.map_or(otherwise, Outcome::from));
        }
    }

    /// Records the exchange, unless it is recorded already.
    pub(crate) fn finish(&mut self, outcome: Outcome) {
        if self.parts.is_some() {
            if let Some(span) = self.finish_parts(outcome) {
                return self.finish_in_span(outcome, span);
            }
        }
        let guard = LeaveOnPanic(self);
        if let Some(shard) = guard.0.shard.as_deref() {
            shard.recorder().record_exchange(guard.0.route, guard.0.end(outcome));
        }
        mem::forget(guard);
        self.leave();
    }

    /// The rest of [`finish`](Self::finish) if the measurements belong to a span.
    #[inline(never)]
    fn finish_in_span(&mut self, outcome: Outcome, span: SpanIds) {
        let guard = LeaveOnPanic(self);
        if let Some(shard) = guard.0.shard.as_deref() {
            let finished = guard.0.end(outcome);
            let end = guard.0.start + finished.duration;
            shard.recorder().record_exchange_in_span(guard.0.route, finished, span, end);
        }
        mem::forget(guard);
        self.leave();
    }

    /// Ends the request: it is not in flight any more, and is not recorded again.
    #[inline(always)]
    fn leave(&mut self) {
        if let Some(shard) = self.shard.take() {
            let recorder = shard.recorder();
            let flags = recorder.flags();
            shard.leave(recorder.slot(self.labels(), flags), flags);
        }
    }

    /// `None` once recorded.
    #[inline(always)]
    fn flags(&self) -> Option<FlagSet> {
        self.shard.as_deref().map(|shard| shard.recorder().flags())
    }

    #[inline(always)]
    fn labels(&self) -> RequestLabels {
        RequestLabels::of_parts(self.user_labels, self.method, self.host)
    }

    /// Stops the clock.
    #[inline(always)]
    fn end(&self, outcome: Outcome) -> FinishedExchange {
        let Self { start, progress, sent, .. } = *self;
        let duration = start.elapsed();
        FinishedExchange { ending: progress.end(outcome), duration, sent }
    }

    /// Takes what the optional metrics need when the exchange ends. Returns the span that the measurements belong to.
    #[cold]
    fn finish_parts(&mut self, outcome: Outcome) -> Option<SpanIds> {
        if OptionalParts::have_endpoint(&self.parts) {
            self.create_route(None);
        }
        let mut parts = self.parts.take()?;
        let span = parts.span;
        if parts.have_only_span() {
            OptionalParts::recycle_only_span(parts);
            return span;
        }
        if let Some(size) = parts.request_body.take() {
            let (route, ending) = (self.route, self.progress.end(outcome));
            size.set_end(RequestEnd { route, ending, span });
        }
        if let (Some(path), Some(shard)) = (parts.unlisted_path.take(), self.shard.as_deref()) {
            shard.recorder().unlisted_methods().end_call(&path, self.progress.grpc);
        }
        if span.is_some() {
            OptionalParts::recycle(parts);
        }
        span
    }

    /// Reads what only some layers need of a response.
    #[inline(never)]
    fn read_response(&mut self, version: Version, extensions: &Extensions) {
        let Some(shard) = self.shard.as_deref() else { return };
        let recorder = shard.recorder();
        let flags = recorder.flags();
        if flags.contains(Flag::HAS_TIME_TO_HEADERS) {
            recorder.record_time_to_headers(
                self.route,
                self.start,
                OptionalParts::span(&self.parts),
            );
        }
        if flags.contains(Flag::HAS_RESPONSE_LABELS) {
            self.progress.response_labels = recorder.response_labels(extensions);
        }
        // The request of a client does not tell which version of HTTP the connection has.
        if flags.contains(Flag::READS_VERSION) {
            self.progress.version = ProtocolVersion::of(version);
        }
    }

    /// Creates the route if there is none yet, or if the response names another endpoint.
    #[cold]
    fn create_route(&mut self, named: Option<&ResponseEndpoint>) {
        let Some(shard) = self.shard.as_deref() else { return };
        let endpoint = self.parts.as_mut().and_then(|parts| parts.endpoint.take());
        let named = named.map(|ResponseEndpoint(endpoint)| &**endpoint);
        if let Some(endpoint) = named.or(endpoint.as_deref()) {
            let key = RouteKey { labels: self.labels(), endpoint };
            self.route = shard.recorder().find_or_create_route(key).unwrap_or(self.route);
        }
    }

    /// The outcome of a response that must not have a body; `None` for any other response. The service may have returned a
    /// body, but servers never poll it (RFC 9110, section 6.4.1).
    #[inline(never)]
    fn outcome_without_body(&mut self, status: StatusCode) -> Option<Outcome> {
        match (self.method.method(), status.as_u16()) {
            (_, 101) | (MethodId::CONNECT, 200..=299) => {
                self.on_upgrade();
                Some(Outcome::Upgrade)
            }
            (MethodId::HEAD, _) | (_, 204 | 304) => Some(Outcome::Complete),
            _ => None,
        }
    }

    fn on_upgrade(&mut self) {
        let guard = self.parts.as_mut().and_then(|parts| parts.upgrade.take());
        if let (Some(guard), Some(shard)) = (guard, self.shard.as_ref()) {
            guard.open(shard.recorder(), self.route, OptionalParts::span(&self.parts));
        }
    }

    #[inline(never)]
    fn on_grpc_response(&mut self, headers: &HeaderMap) {
        self.read_grpc_status(headers);
        // The content type of the response decides, not that of the request: a client may send text and accept binary data.
        let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        if let Some(reader) = TrailerReader::of_content_type(content_type) {
            let encoding = headers.get(CONTENT_ENCODING).map_or(&b""[..], |value| value.as_bytes());
            let is_plain = encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity");
            let reader = if is_plain { reader } else { reader.unreadable() };
            self.parts.get_or_insert_default().grpc_web = Some(reader);
            if self.progress.grpc == GrpcCall::NO_STATUS {
                self.progress.grpc = GrpcCall::UNREADABLE;
            }
        } else {
            // The status follows the last byte: the call ends with the trailers.
            self.length.expect_end_after_last_byte();
        }
    }

    fn read_grpc_web(&mut self, data: &impl Buf) {
        if let Some(reader) = self.parts.as_mut().and_then(|parts| parts.grpc_web.as_mut()) {
            reader.read(data);
            if let Some(status) = reader.status() {
                self.progress.grpc = GrpcCall::with_status(status);
            }
        }
    }

    /// Reads the status from the trailers, or from the headers of a response without a body.
    #[inline]
    fn read_grpc_status(&mut self, headers: &HeaderMap) {
        if self.progress.grpc.is_grpc() {
            if let Some(status) = GrpcStatus::read(headers) {
                self.progress.grpc = GrpcCall::with_status(status);
            }
        }
    }

    /// The outcome of an exchange that is dropped before it finished.
    #[cold]
    fn outcome_when_dropped(&self) -> Outcome {
        // A gRPC call ends with its trailers and not with the last byte. A gRPC-Web call ends with the trailer frame.
        let grpc_web = self.parts.as_ref().and_then(|parts| parts.grpc_web.as_ref());
        let is_complete = self.progress.grpc != GrpcCall::NO_STATUS
            && self.length.is_exactly(self.sent)
            || grpc_web.is_some_and(TrailerReader::is_complete);
        if !self.progress.has_status() {
            Outcome::Cancelled
        } else if self.length.is_contradicted() {
            // No server can send such a response, and some servers panic.
            Outcome::LengthMismatch
        } else if is_complete {
            self.length.after(self.sent, true).outcome().unwrap_or(Outcome::Complete)
        } else {
            Outcome::Aborted
        }
    }
}

/// Ends a request if recording it panics.
struct LeaveOnPanic<'a>(&'a mut Exchange);

impl Drop for LeaveOnPanic<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Drop for Exchange {
    #[inline]
    fn drop(&mut self) {
        if self.shard.is_some() {
            self.finish(self.outcome_when_dropped());
        }
    }
}
