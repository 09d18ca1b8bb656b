//! One request from its head to its end.

mod start;

use crate::labels::client_error::ClientErrorType;
use crate::labels::ending::Progress;
use crate::labels::endpoint::ResponseEndpoint;
use crate::labels::grpc_status::{GrpcCall, GrpcStatus};
use crate::labels::methods::MethodId;
use crate::labels::outcome::Outcome;
use crate::labels::protocol::ProtocolVersion;
use crate::labels::request_labels::{HostId, MethodAndScheme, RequestLabels};
use crate::labels::user_label::UserLabelValues;
use crate::record::exemplars::SpanIds;
use crate::record::finished_exchange::FinishedExchange;
use crate::record::flags::{Flag, FlagSet};
use crate::record::route::RouteKey;
use crate::record::route_table::RouteId;
use crate::record::shard::Shard;
use crate::service::body_length::BodyLength;
use crate::service::grpc_web::TrailerReader;
use crate::service::optional_parts::OptionalParts;
use crate::service::request_body::RequestEnd;
use bytes::Buf;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{Extensions, HeaderMap, Response, StatusCode, Version};
use http_body::{Body, Frame};
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Instant;

/// A request that has started, and is not recorded yet. [`OpenExchange`](crate::service::open_exchange::OpenExchange) has it.
///
/// It has 64 bytes. It is moved with the response and its body, and larger values take more instructions to move.
#[derive(Debug)]
pub(crate) struct Exchange {
    shard: Arc<Shard>,
    start: Instant,
    user_labels: UserLabelValues,
    /// Marked if more of the response matters than its status and its body, or if its body is not sent.
    method: MethodAndScheme,
    host: HostId,
    /// [`RouteId::NONE`] until the route is created.
    route: RouteId,
    progress: Progress,
    /// Bytes of the response's body so far.
    sent: u64,
    length: BodyLength,
    /// `None` for most requests, and once recorded. `ManuallyDrop`, because recording takes it: then nothing is left to drop.
    parts: ManuallyDrop<Option<Box<OptionalParts>>>,
}

impl Exchange {
    /// The request is sent by a client, which reads a body until the body says that it has ended. (The request of a client does not
    /// tell which version of HTTP the connection has.)
    #[inline]
    pub(crate) fn expect_end_of_body(&mut self) {
        self.length.expect_end_after_last_byte();
    }

    /// The inner service has responded. From here on the status is that of the response, whatever happens to the body. Returns the
    /// outcome if the request has ended.
    #[inline(always)]
    pub(crate) fn on_response<B: Body>(&mut self, response: &Response<B>) -> Option<Outcome> {
        self.progress.set_status(response.status());
        let headers = response.headers();
        // One of the extensions may name another endpoint.
        let is_special = response.status() != StatusCode::OK
            || self.method.is_marked()
            || !response.extensions().is_empty();
        let outcome = if is_special {
            self.on_special_response(
                response.status(),
                response.version(),
                headers,
                response.extensions(),
            )
        } else {
            None
        };
        outcome.or_else(|| {
            self.length.declare(headers, &response.body().size_hint());
            self.length.at_head(response.body().is_end_stream()).outcome()
        })
    }

    /// A frame of the response's body passes. `is_last`: nothing follows it. Returns the outcome if the request has ended: the body
    /// says so, or its declared length was sent.
    #[inline]
    pub(crate) fn on_frame<D: Buf>(
        &mut self,
        frame: &Frame<D>,
        is_last: impl FnOnce() -> bool,
    ) -> Option<Outcome> {
        if let Some(data) = frame.data_ref() {
            self.sent += data.remaining() as u64;
            if self.parts.is_some() {
                self.read_grpc_web(data);
            }
        }
        if let Some(trailers) = frame.trailers_ref() {
            self.read_grpc_status(trailers);
        }
        // Most bodies have one frame. Then the body need not be asked.
        if self.length.is_end(self.sent) {
            return Some(Outcome::Complete);
        }
        self.length.after(self.sent, is_last()).outcome()
    }

    /// The outcome if the response's body has no more frames.
    #[inline]
    pub(crate) fn outcome_at_body_end(&self) -> Option<Outcome> {
        self.length.after(self.sent, true).outcome()
    }

    /// The outcome if the body of a client's response is dropped, and was never polled. That is no failure, except for a gRPC
    /// call, whose status is in the trailers.
    pub(crate) fn outcome_if_unread(&self) -> Option<Outcome> {
        (!self.progress.grpc.is_grpc()).then_some(Outcome::Complete)
    }

    /// What a client's error was, if it is known.
    pub(crate) fn error_type<E: 'static>(&self, error: &E) -> Option<ClientErrorType> {
        self.shard.recorder().error_type(error)
    }

    /// Records the exchange. `may_have_parts`: if `false`, it has none.
    #[inline(always)]
    pub(crate) fn record(&mut self, flags: FlagSet, may_have_parts: bool, outcome: Outcome) {
        if may_have_parts {
            if let Some(span) = OptionalParts::take_only_span(&mut self.parts) {
                return self.record_in_span(flags, outcome, span);
            }
            if self.parts.is_some() {
                if let Some(span) = self.finish_parts(outcome) {
                    return self.record_with_parts(flags, outcome, span);
                }
            }
        }
        self.shard.recorder().record_exchange(flags, self.route, self.finished(outcome));
    }

    /// The rest of [`record`](Self::record) if there was a span and more.
    #[cold]
    fn record_with_parts(&self, flags: FlagSet, outcome: Outcome, span: SpanIds) {
        self.record_in_span(flags, outcome, span);
    }

    /// The rest of [`record`](Self::record) if the measurements belong to a span.
    #[inline(always)]
    fn record_in_span(&self, flags: FlagSet, outcome: Outcome, span: SpanIds) {
        let ending = self.progress.end(outcome);
        let end = Instant::now();
        let finished =
            FinishedExchange { ending, duration: end.duration_since(self.start), sent: self.sent };
        self.shard.recorder().record_exchange_in_span(flags, self.route, finished, span, end);
    }

    /// The request is not in flight any more. It must be recorded already.
    #[inline(always)]
    pub(crate) fn leave(self, flags: FlagSet) {
        let Self { shard, user_labels, method, host, .. } = self;
        let labels = RequestLabels::of_parts(user_labels, method, host);
        shard.leave(shard.recorder().slot(labels, flags), flags);
    }

    #[inline(always)]
    pub(crate) fn flags(&self) -> FlagSet {
        self.shard.recorder().flags()
    }

    #[inline(always)]
    pub(crate) fn has_parts(&self) -> bool {
        self.parts.is_some()
    }

    #[inline(always)]
    fn labels(&self) -> RequestLabels {
        RequestLabels::of_parts(self.user_labels, self.method, self.host)
    }

    /// Stops the clock.
    #[inline(always)]
    fn finished(&self, outcome: Outcome) -> FinishedExchange {
        // Before the clock is read: during that call one word is kept, and not its parts.
        let ending = self.progress.end(outcome);
        FinishedExchange { ending, duration: self.start.elapsed(), sent: self.sent }
    }

    /// Takes what the optional metrics need when the exchange ends. Returns the span that the measurements belong to.
    #[cold]
    fn finish_parts(&mut self, outcome: Outcome) -> Option<SpanIds> {
        if OptionalParts::have_endpoint(&self.parts) {
            self.create_route(None);
        }
        let span = OptionalParts::span(&self.parts);
        let mut parts = self.parts.take()?;
        let more = parts.more_mut();
        if let Some(size) = more.request_body.take() {
            let (route, ending) = (self.route, self.progress.end(outcome));
            size.set_end(RequestEnd { route, ending, span });
        }
        if let Some(path) = more.unlisted_path.take() {
            self.shard.recorder().unlisted_methods().end_call(&path, self.progress.grpc);
        }
        span.inspect(|_| OptionalParts::recycle(parts))
    }

    /// The rest of [`on_response`](Self::on_response) if the status and the body do not tell everything.
    #[inline(never)]
    fn on_special_response(
        &mut self,
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Option<Outcome> {
        let endpoint: Option<&ResponseEndpoint> = extensions.get();
        if endpoint.is_some() || OptionalParts::have_endpoint(&self.parts) {
            self.create_route(endpoint);
        }
        if self.flags().contains(Flag::READS_RESPONSE) {
            self.read_response(version, extensions);
        }
        if self.progress.grpc.is_grpc() {
            self.on_grpc_response(headers);
        }
        let may_end = status != StatusCode::OK
            || matches!(self.method.method(), MethodId::HEAD | MethodId::CONNECT);
        if may_end { self.outcome_without_body(status) } else { None }
    }

    /// Reads what only some layers need of a response.
    #[inline(always)]
    fn read_response(&mut self, version: Version, extensions: &Extensions) {
        let recorder = self.shard.recorder();
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
        let endpoint = self.parts.as_mut().and_then(|parts| parts.more_mut().endpoint.take());
        let named = named.map(|ResponseEndpoint(endpoint)| &**endpoint);
        if let Some(endpoint) = named.or(endpoint.as_deref()) {
            let key = RouteKey { labels: self.labels(), endpoint };
            self.route = self.shard.recorder().find_or_create_route(key).unwrap_or(self.route);
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
        let guard = self.parts.as_mut().and_then(|parts| parts.more_mut().upgrade.take());
        if let Some(guard) = guard {
            guard.open(self.shard.recorder(), self.route, OptionalParts::span(&self.parts));
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
            self.parts.get_or_insert_default().more_mut().grpc_web = Some(reader);
            if self.progress.grpc == GrpcCall::NO_STATUS {
                self.progress.grpc = GrpcCall::UNREADABLE;
            }
        } else {
            // The status follows the last byte: the call ends with the trailers.
            self.length.expect_end_after_last_byte();
        }
    }

    fn read_grpc_web(&mut self, data: &impl Buf) {
        let Some(parts) = &mut *self.parts else { return };
        if parts.more().grpc_web.is_none() {
            return;
        }
        if let Some(reader) = &mut parts.more_mut().grpc_web {
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
    pub(crate) fn outcome_when_dropped(&self) -> Outcome {
        // A gRPC call ends with its trailers and not with the last byte. A gRPC-Web call ends with the trailer frame.
        let grpc_web = self.parts.as_ref().and_then(|parts| parts.more().grpc_web.as_ref());
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
