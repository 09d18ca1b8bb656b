//! The start of an exchange.

use super::Exchange;
use crate::labels::ending::Progress;
use crate::labels::grpc_status::GrpcCall;
use crate::labels::methods::MethodId;
use crate::labels::protocol::ProtocolVersion;
use crate::labels::request_head::RequestHead;
use crate::labels::request_labels::RequestLabels;
use crate::labels::user_label::UserLabelValues;
use crate::record::flags::{Flag, FlagSet};
use crate::record::in_flight::InFlightSlot;
use crate::record::known_route::KnownRoute;
use crate::record::route_table::RouteId;
use crate::record::shard::Shard;
use crate::service::body_length::BodyLength;
use crate::service::optional_parts::OptionalParts;
use http::{Request, Version};
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Instant;

impl Exchange {
    /// Starts the clock, and stores the exchange in `new`. Stores nothing if the request is excluded.
    ///
    /// There are two versions of this. Once their metrics were collected, most layers have only the usual flags, and most of
    /// their requests need only what is done here. These few instructions become a part of `call`.
    /// [`start_unusual`](Self::start_unusual) does it with all other flags.
    #[inline(always)]
    pub(crate) fn start<B>(
        new: &mut ManuallyDrop<Option<Self>>,
        shard: &Arc<Shard>,
        request: &mut Request<B>,
    ) {
        let recorder = shard.recorder();
        if !recorder.flags().are_usual() {
            return Self::start_unusual(new, shard, request);
        }
        // Before the head is read, because the processor reads the clock only after earlier loads have completed.
        let start = Instant::now();
        let method = recorder.method(request.method());
        let labels = RequestLabels::new(method, UserLabelValues::OTHER);
        let slot = InFlightSlot::of(method);
        let mut known = recorder.fixed_route(slot);
        if known == KnownRoute::NONE {
            known = recorder.matched_route(method, request.extensions());
        }
        let shard = shard.enter(slot, FlagSet::USUAL);
        let version = ProtocolVersion::Unknown;
        let route = known.raw();
        let exchange = Self::new(shard, start, labels, route, version, request.version(), None);
        *new = ManuallyDrop::new(Some(exchange));
        if known.if_usual().is_none() {
            Self::read_head(new, known.id(), RequestHead::of(request));
        }
        if recorder.needs_parts() {
            Self::add_optional_parts(new, request);
        }
    }

    /// The rest of [`start`](Self::start) if the route is not known, or if the method [is special](MethodId::is_special).
    #[inline(never)]
    fn read_head(new: &mut Option<Self>, known: RouteId, head: RequestHead<'_>) {
        let Some(exchange) = new else { return };
        exchange.route = known;
        if known == RouteId::NONE {
            let labels = exchange.labels();
            let slot = InFlightSlot::of(labels.method());
            let recorder = exchange.shard.recorder();
            match recorder.find_route(labels, slot, head) {
                Ok(route) => {
                    recorder.keep_matched_route(labels, head.extensions, route);
                    exchange.route = route;
                }
                Err(endpoint) => *exchange.parts = Some(OptionalParts::with_endpoint(endpoint)),
            }
        }
        if head.is_grpc() {
            exchange.on_grpc_request(head);
        }
        exchange.mark_if_special();
    }

    /// Marks the exchange if more of its response has to be read than the status and the body, or if the method says that the body
    /// is not sent. A route that does not exist yet is no reason: it is created when the exchange is recorded.
    #[inline]
    fn mark_if_special(&mut self) {
        if self.flags().contains(Flag::READS_RESPONSE)
            || matches!(self.method.method(), MethodId::HEAD | MethodId::CONNECT)
            || self.progress.grpc.is_grpc()
        {
            self.method = self.method.marked();
        }
    }

    /// As [`start`](Self::start), whatever the flags are.
    #[inline(never)]
    fn start_unusual<B>(
        new: &mut ManuallyDrop<Option<Self>>,
        shard: &Arc<Shard>,
        request: &mut Request<B>,
    ) {
        let recorder = shard.recorder();
        let flags = recorder.flags();
        let head = || RequestHead::of(request).with_direction(flags.contains(Flag::IS_CLIENT));
        if flags.contains(Flag::HAS_EXCLUSIONS) && recorder.is_excluded(head()) {
            return;
        }
        let start = Instant::now();
        let (labels, version) = recorder.start(request.method(), head, flags);
        let slot = recorder.slot(labels, flags);
        let mut route = recorder.fixed_route(slot).id();
        let mut parts = None;
        if route == RouteId::NONE {
            match recorder.find_route(labels, slot, head()) {
                Ok(found) => route = found,
                Err(endpoint) => parts = Some(OptionalParts::with_endpoint(endpoint)),
            }
        }
        // Not earlier: without a flush callback this changes the gauge, which `find_route` creates. (With the usual flags
        // there is a callback.)
        let shard = shard.enter(slot, flags);
        let exchange = Self::new(shard, start, labels, route, version, request.version(), parts);
        *new = ManuallyDrop::new(Some(exchange));
        let Some(exchange) = &mut **new else { return };
        if head().is_grpc() {
            exchange.on_grpc_request(head());
        }
        exchange.mark_if_special();
        if recorder.needs_parts() {
            Self::add_optional_parts(new, request);
        }
    }

    /// Adds what the optional metrics and exemplars need.
    #[inline(never)]
    fn add_optional_parts<B>(new: &mut Option<Self>, request: &mut Request<B>) {
        if let Some(exchange) = new {
            OptionalParts::add_for_request(&mut exchange.parts, request, exchange.shard.recorder());
        }
    }

    #[cold]
    fn on_grpc_request(&mut self, head: RequestHead<'_>) {
        self.progress.grpc = GrpcCall::NO_STATUS;
        let new = self.parts.as_ref().and_then(|parts| parts.more().endpoint.as_deref());
        let path = self.shard.recorder().keep_unlisted_path(self.route, new, head);
        if let Some(path) = path {
            self.parts.get_or_insert_default().more_mut().unlisted_path = Some(path);
        }
    }

    #[inline(always)]
    fn new(
        shard: Arc<Shard>,
        start: Instant,
        labels: RequestLabels,
        route: RouteId,
        version: ProtocolVersion,
        request_version: Version,
        parts: Option<Box<OptionalParts>>,
    ) -> Self {
        Self {
            shard,
            start,
            user_labels: labels.user_labels(),
            method: labels.method_and_scheme(),
            host: labels.host(),
            route,
            progress: Progress::new(version, GrpcCall::NOT_GRPC),
            sent: 0,
            length: BodyLength::undeclared(request_version),
            parts: ManuallyDrop::new(parts),
        }
    }
}
