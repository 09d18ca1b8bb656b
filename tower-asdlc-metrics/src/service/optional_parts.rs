//! What only some requests carry with them.

use crate::record::recorder::Recorder;
use crate::service::grpc_web::TrailerReader;
use crate::service::request_body::Upload;
use crate::service::upgrade::UpgradeGuard;
use http::Request;
use std::sync::Arc;

/// In a box, so that most requests, which have nothing of it, carry no more than a pointer.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// The endpoint of a route that is still to be made.
    pub(crate) endpoint: Option<Box<str>>,
    /// The size of the request's body waits for the route.
    pub(crate) upload: Option<Arc<Upload>>,
    /// The guard of a request for an upgrade, until it is upgraded.
    pub(crate) upgrade: Option<UpgradeGuard>,
    /// The reader of a gRPC-Web response.
    pub(crate) web: Option<TrailerReader>,
}

impl Extra {
    #[cold]
    pub(crate) fn with_endpoint(endpoint: Box<str>) -> Box<Self> {
        Box::new(Self { endpoint: Some(endpoint), ..Self::default() })
    }

    /// What of a request is recorded only when asked for.
    #[inline(never)]
    pub(crate) fn add_optional<B>(
        extra: &mut Option<Box<Self>>,
        request: &mut Request<B>,
        recorder: &Arc<Recorder>,
    ) {
        if recorder.sizes_request_bodies() {
            let upload = Upload::of(request, recorder);
            extra.get_or_insert_default().upload = Some(upload);
        }
        if recorder.counts_upgrades() {
            if let Some(guard) = UpgradeGuard::insert(request) {
                extra.get_or_insert_default().upgrade = Some(guard);
            }
        }
    }
}
