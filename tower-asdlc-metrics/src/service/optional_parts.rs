use crate::record::recorder::Recorder;
use crate::service::grpc_web::TrailerReader;
use crate::service::request_body::RequestBodySize;
use crate::service::upgrade::UpgradeGuard;
use http::Request;
use std::sync::Arc;

/// The state that only some exchanges need. It is boxed, so that it takes only a pointer in all other exchanges.
#[derive(Debug, Default)]
pub(crate) struct OptionalParts {
    /// The endpoint of a route that does not exist yet.
    pub(crate) endpoint: Option<Box<str>>,
    /// The path of a gRPC call to a method that is not listed.
    pub(crate) unlisted_path: Option<Box<str>>,
    /// The size of the request's body, until the request has ended.
    pub(crate) request_body: Option<Arc<RequestBodySize>>,
    /// The guard of a request for an upgrade, until the connection is upgraded.
    pub(crate) upgrade: Option<UpgradeGuard>,
    /// Reads the body of a gRPC-Web response.
    pub(crate) grpc_web: Option<TrailerReader>,
}

impl OptionalParts {
    #[cold]
    pub(crate) fn with_endpoint(endpoint: Box<str>) -> Box<Self> {
        Box::new(Self { endpoint: Some(endpoint), ..Self::default() })
    }

    /// Adds what the optional metrics need of this request.
    #[inline(never)]
    pub(crate) fn add_for_request<B>(
        parts: &mut Option<Box<Self>>,
        request: &mut Request<B>,
        recorder: &Arc<Recorder>,
    ) {
        if recorder.sizes_request_bodies() {
            let size = RequestBodySize::insert(request, recorder);
            parts.get_or_insert_default().request_body = Some(size);
        }
        if recorder.counts_upgrades() {
            if let Some(guard) = UpgradeGuard::insert(request) {
                parts.get_or_insert_default().upgrade = Some(guard);
            }
        }
    }
}
