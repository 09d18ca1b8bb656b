//! The start of an exchange.

use super::Exchange;
use crate::labels::ending::Progress;
use crate::labels::grpc_status::GrpcCall;
use crate::labels::protocol::ProtocolVersion;
use crate::labels::request_head::RequestHead;
use crate::labels::request_labels::RequestLabels;
use crate::record::flags::{Flag, FlagSet};
use crate::record::recorder::Recorder;
use crate::record::route_table::RouteId;
use crate::record::shard::Shard;
use crate::service::body_length::BodyLength;
use crate::service::optional_parts::OptionalParts;
use http::Request;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Instant;

impl Exchange {
    /// Starts the clock. `None` if the request is excluded.
    #[inline(always)]
    pub(crate) fn start<B>(shard: &Arc<Shard>, request: &mut Request<B>) -> Option<Self> {
        let recorder = shard.recorder();
        let flags = recorder.flags();
        if !flags.are_usual() && Self::is_excluded(recorder, flags, request) {
            return None;
        }
        // Before the head is read, because the processor reads the clock only after earlier loads have completed.
        let start = Instant::now();
        let labels = recorder.usual_labels(request.method());
        match recorder.known_route(labels, flags) {
            Some(route) if !RequestHead::of(request).is_grpc() => {
                let length = BodyLength::undeclared(request.version());
                let shard = shard.enter(recorder.slot(labels, FlagSet::USUAL), FlagSet::USUAL);
                let progress = Progress::new(ProtocolVersion::Unknown, GrpcCall::NOT_GRPC);
                Some(Self::new(shard, start, labels, route, progress, length, None))
            }
            _ => Some(Self::start_by_head(flags, start, shard, request)),
        }
    }

    #[inline(never)]
    fn is_excluded<B>(recorder: &Recorder, flags: FlagSet, request: &Request<B>) -> bool {
        let head = RequestHead::of(request).with_direction(flags.contains(Flag::IS_CLIENT));
        flags.contains(Flag::HAS_EXCLUSIONS) && recorder.is_excluded(head)
    }

    /// The rest of [`start`](Self::start) if the route depends on the head, or if not all flags are usual.
    #[inline(never)]
    fn start_by_head<B>(
        flags: FlagSet,
        start: Instant,
        shard: &Arc<Shard>,
        request: &mut Request<B>,
    ) -> Self {
        if flags.are_usual() {
            Self::start_with(FlagSet::USUAL, start, shard, request)
        } else {
            Self::start_with(flags, start, shard, request)
        }
    }

    /// Compiled twice: with the usual flags, which are a constant, no other flag is checked.
    #[inline(always)]
    fn start_with<B>(
        flags: FlagSet,
        start: Instant,
        shard: &Arc<Shard>,
        request: &mut Request<B>,
    ) -> Self {
        let recorder = shard.recorder();
        let head = RequestHead::of(request).with_direction(flags.contains(Flag::IS_CLIENT));
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
        let shard = shard.enter(recorder.slot(labels, flags), flags);
        Self::new(shard, start, labels, route, Progress::new(version, grpc), length, parts)
    }

    #[inline(always)]
    fn new(
        shard: Arc<Shard>,
        start: Instant,
        labels: RequestLabels,
        route: RouteId,
        progress: Progress,
        length: BodyLength,
        parts: Option<Box<OptionalParts>>,
    ) -> Self {
        Self {
            shard: ManuallyDrop::new(Some(shard)),
            start,
            user_labels: labels.user_labels(),
            method: labels.method_and_scheme(),
            host: labels.host(),
            route,
            progress,
            sent: 0,
            length,
            parts: ManuallyDrop::new(parts),
        }
    }
}
