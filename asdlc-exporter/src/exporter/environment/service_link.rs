//! Kubernetes sets variables for each Service. By accident, one can have the name of a setting.

use std::net::SocketAddr;

/// Whether a value is an address as Kubernetes writes it: `tcp://10.0.0.1:8080`. It sets `NAME_PORT` in
/// every pod if there is a Service with this name.
pub(crate) fn is_service_link(value: &str) -> bool {
    let address = ["tcp://", "udp://", "sctp://"].iter().find_map(|p| value.strip_prefix(p));
    address.is_some_and(|address| address.parse::<SocketAddr>().is_ok())
}
