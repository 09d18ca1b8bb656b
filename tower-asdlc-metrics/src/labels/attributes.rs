//! The attribute keys of OpenTelemetry's semantic conventions for HTTP and RPC, version 1.44.

pub(crate) const HTTP_REQUEST_METHOD: &str = "http.request.method";
pub(crate) const HTTP_ROUTE: &str = "http.route";
pub(crate) const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
pub(crate) const ERROR_TYPE: &str = "error.type";
pub(crate) const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
pub(crate) const URL_SCHEME: &str = "url.scheme";
pub(crate) const URL_TEMPLATE: &str = "url.template";
pub(crate) const SERVER_ADDRESS: &str = "server.address";
pub(crate) const SERVER_PORT: &str = "server.port";
pub(crate) const RPC_SYSTEM_NAME: &str = "rpc.system.name";
pub(crate) const RPC_METHOD: &str = "rpc.method";
pub(crate) const RPC_RESPONSE_STATUS_CODE: &str = "rpc.response.status_code";

/// The keys that the builder refuses for other labels.
pub(crate) const RESERVED_ATTRIBUTES: [&str; 12] = [
    HTTP_REQUEST_METHOD,
    HTTP_ROUTE,
    HTTP_RESPONSE_STATUS_CODE,
    ERROR_TYPE,
    NETWORK_PROTOCOL_VERSION,
    URL_SCHEME,
    URL_TEMPLATE,
    SERVER_ADDRESS,
    SERVER_PORT,
    RPC_SYSTEM_NAME,
    RPC_METHOD,
    RPC_RESPONSE_STATUS_CODE,
];
