//! A request in progress, and that it is accounted for exactly once.

use crate::labels::endpoint::{RequestHead, ResponseEndpoint};
use crate::labels::grpc_status::{Call, GrpcStatus};
use crate::labels::methods::MethodId;
use crate::labels::outcome::{End, Ending};
use crate::labels::user_label::LabelIds;
use crate::record::flags::Mode;
use crate::record::route_table::Slot;
use crate::record::shard::{Lane, Lanes};
use crate::service::body_length::Length;
use crate::service::grpc_web::TrailerReader;
use crate::service::optional_parts::Extra;
use bytes::Buf;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Instant;

/// It is recorded when it [finishes](Self::finish) or, if nobody says how, when it is dropped: once in either case, because
/// what it records with is taken.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// `None` once recorded, so that nothing is left to drop then. An exchange always is, before its fields would be dropped.
    lane: ManuallyDrop<Option<Arc<Lane>>>,
    start: Instant,
    method: MethodId,
    /// [`Slot::NONE`] before it is made.
    route: Slot,
    labels: LabelIds,
    call: Call,
    /// The status of the response, once there is one.
    status: Option<StatusCode>,
    /// Bytes of the response's body.
    sent: u64,
    /// How many there are to be.
    length: Length,
    /// Of most requests nothing.
    /// `None` once recorded, as `lane`.
    extra: ManuallyDrop<Option<Box<Extra>>>,
}

impl Exchange {
    /// Starts the clock, unless the request is excluded.
    #[inline]
    pub(crate) fn start<B>(lanes: &Lanes, request: &mut Request<B>) -> Option<Self> {
        let recorder = lanes.recorder();
        let modes = recorder.modes();
        if Mode::EXCLUDES.is_in(modes) && recorder.is_excluded(RequestHead::of(request)) {
            return None;
        }
        // Before anything of the request is read: reading the clock waits for that.
        let start = Instant::now();
        let head = RequestHead::of(request);
        let method = lanes.method(head);
        let lane = lanes.enter(method)?;
        let mut extra = None;
        let new = |endpoint| extra = Some(Extra::with_endpoint(endpoint));
        let (labels, route) = lane.recorder.route(method, head, new);
        let call = if is_grpc(head) { Call::Missing } else { Call::None };
        let length = Length::unknown(head.version);
        if Mode::IS_NEVER_FLUSHED.is_in(modes) {
            lane.recorder.add_in_flight(method, 1);
        }
        if Mode::HAS_OPTIONAL_PARTS.is_in(modes) {
            Extra::add_optional(&mut extra, request, &lane.recorder);
        }
        Some(Self {
            lane: ManuallyDrop::new(Some(lane)),
            start,
            method,
            route,
            labels,
            call,
            status: None,
            sent: 0,
            length,
            extra: ManuallyDrop::new(extra),
        })
    }

    /// Makes the route, if there is none yet or the response names another endpoint.
    #[cold]
    fn settle_route(&mut self, named: Option<&ResponseEndpoint>) {
        let Some(Lane { recorder }) = self.lane.as_deref() else { return };
        let extra = self.extra.as_mut();
        let (endpoint, upload) =
            extra.map(|extra| (extra.endpoint.take(), extra.upload.take())).unwrap_or_default();
        let named = named.map(|ResponseEndpoint(endpoint)| &**endpoint);
        if let Some(endpoint) = named.or(endpoint.as_deref()) {
            let route = recorder.make_route(self.method, self.labels, endpoint);
            self.route = route.unwrap_or(self.route);
        }
        if let Some(upload) = upload {
            upload.has_route(self.route);
        }
    }

    /// The response's head is there: its status is what the client gets, whatever becomes of the body. Says how the exchange
    /// ends, if that is all.
    #[inline]
    pub(crate) fn answered<B: Body>(&mut self, response: &Response<B>) -> Option<Ending> {
        self.status = Some(response.status());
        let named = response.extensions().get();
        if named.is_some() || self.extra.is_some() {
            self.settle_route(named);
        }
        if let Some(Lane { recorder }) = self.lane.as_deref() {
            recorder.headers(self.route, self.start);
        }
        let headers = response.headers();
        if !self.call.is_none() {
            self.grpc_answered(headers);
        }
        let may_end = response.status() != StatusCode::OK
            || matches!(self.method, MethodId::HEAD | MethodId::CONNECT);
        let ending = if may_end { self.ends_with_head(response.status()) } else { None };
        ending.or_else(|| {
            self.length.declare(headers, &response.body().size_hint());
            self.length.at_head(response.body().is_end_stream()).ending()
        })
    }

    fn upgraded(&mut self) {
        let guard = self.extra.as_mut().and_then(|extra| extra.upgrade.take());
        if let (Some(guard), Some(lane)) = (guard, self.lane.as_ref()) {
            guard.open(&lane.recorder, self.route);
        }
    }

    #[inline(never)]
    fn grpc_answered(&mut self, headers: &HeaderMap) {
        self.trailers(headers);
        // The response says how it is to be read: a client may ask for text and accept another.
        let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        if let Some(reader) = TrailerReader::of_content_type(content_type) {
            let encoding = headers.get(CONTENT_ENCODING).map_or(&b""[..], |value| value.as_bytes());
            let is_plain = encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity");
            let reader = if is_plain { reader } else { reader.unreadable() };
            self.extra.get_or_insert_default().web = Some(reader);
            if matches!(self.call, Call::Missing) {
                self.call = Call::Unreadable;
            }
        } else {
            // The status comes after the last byte: only the trailers are the end.
            self.length.poll_to_its_end();
        }
    }

    /// How the exchange ends if nothing more is to come of the body, which says so itself or has its declared length.
    #[inline]
    pub(crate) fn ends_here(&self, is_end: bool) -> Option<Ending> {
        self.length.after(self.sent, is_end).ending()
    }

    /// How the exchange ends when no body follows the head, whatever body object the service returned: servers never poll
    /// that one (RFC 9110, section 6.4.1).
    #[inline(never)]
    fn ends_with_head(&mut self, status: StatusCode) -> Option<Ending> {
        match (self.method, status.as_u16()) {
            (_, 101) | (MethodId::CONNECT, 200..=299) => {
                self.upgraded();
                Some(Ending::Upgrade)
            }
            (MethodId::HEAD, _) | (_, 204 | 304) => Some(Ending::Complete),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn data(&mut self, data: &impl Buf) {
        self.sent += data.remaining() as u64;
        if self.extra.is_some() {
            self.web_data(data);
        }
    }

    fn web_data(&mut self, data: &impl Buf) {
        if let Some(reader) = self.extra.as_mut().and_then(|extra| extra.web.as_mut()) {
            reader.read(data);
            self.call = reader.status().map_or(self.call, Call::Status);
        }
    }

    /// A gRPC status comes in the trailers or, of a response without a body, in the headers.
    #[inline]
    pub(crate) fn trailers(&mut self, headers: &HeaderMap) {
        if !self.call.is_none() {
            self.call = GrpcStatus::read(headers).map_or(self.call, Call::Status);
        }
    }

    /// Records it, if it is not recorded yet.
    #[inline]
    pub(crate) fn finish(exchange: &mut Option<Self>, ending: Ending) {
        if let Some(open) = exchange {
            open.record(ending);
        }
    }

    /// Records it, if it is not recorded yet.
    pub(crate) fn record(&mut self, ending: Ending) {
        if self.extra.is_some() {
            self.settle_route(None);
            drop(self.extra.take());
        }
        if let Some(lane) = self.lane.take() {
            let Self { start, route, call, status, sent, .. } = *self;
            let elapsed = start.elapsed();
            let end = End { ending, status, call };
            lane.recorder.ended(route, end, elapsed, sent);
        }
    }

    /// How an exchange ends that nobody looks at any more.
    #[cold]
    fn ends_with_drop(&self) -> Ending {
        // The last byte of a gRPC call is not its end, but of gRPC-Web the trailer frame is.
        let web = self.extra.as_ref().and_then(|extra| extra.web.as_ref());
        let is_whole = self.call != Call::Missing && self.length.is_met(self.sent)
            || web.is_some_and(TrailerReader::has_ended);
        match self.status {
            None => Ending::Cancelled,
            // No server can send it, and some panic.
            Some(_) if self.length.is_contradicted() => Ending::LengthMismatch,
            Some(_) if is_whole => self.ends_here(true).unwrap_or(Ending::Complete),
            Some(_) => Ending::Aborted,
        }
    }
}

impl Drop for Exchange {
    #[inline]
    fn drop(&mut self) {
        if self.lane.is_some() {
            self.record(self.ends_with_drop());
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

/// `application/grpc`, `application/grpc+proto`, `application/grpc-web`…: always a POST, which spares others the look-up.
#[inline]
pub(crate) fn is_grpc(head: RequestHead<'_>) -> bool {
    let is = |content_type: &[u8]| {
        let start = content_type.get(..GRPC.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
    };
    head.method == Method::POST
        && head.headers.get(CONTENT_TYPE).is_some_and(|content_type| is(content_type.as_bytes()))
}

const GRPC: &[u8] = b"application/grpc";
