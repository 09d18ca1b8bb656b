//! What both sides record of the requests that `clients` sends.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Setup;
use super::servers::{CHECK, INFO, ITEM, WATCH};
use super::typed::{Attributes, Series, Typed};

pub(crate) struct Addresses {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    /// No server listens there.
    pub(crate) closed: SocketAddr,
}

/// A request that reached a server.
struct Exchange {
    method: &'static str,
    /// The template of the route, or the path of a gRPC method.
    endpoint: Option<&'static str>,
    version: &'static str,
    status: Option<u16>,
    /// Of a gRPC call.
    grpc_status: Option<&'static str>,
    /// The `error.type` on the server and on the client.
    errors: [Option<&'static str>; 2],
}

const HTTP: [Exchange; 11] = [
    http("GET", Some(ITEM), Some(200), [None; 2]),
    http("QUERY", Some(ITEM), Some(200), [None; 2]),
    http("_OTHER", Some(ITEM), Some(200), [None; 2]),
    http("POST", Some("/upload"), Some(200), [None; 2]),
    Exchange { version: "2", ..http("GET", Some(ITEM), Some(200), [None; 2]) },
    http("GET", None, Some(404), [None, Some("404")]),
    http("GET", Some("/unavailable"), Some(503), [Some("503"); 2]),
    http("GET", Some("/panic"), None, [Some("panic"), Some("reset")]),
    http("GET", Some("/held"), None, [Some("cancelled"); 2]),
    http("GET", Some("/stream"), Some(200), [Some("aborted"); 2]),
    http("GET", Some("/broken"), Some(200), [Some("body_error"), Some("reset")]),
];

const GRPC: [Exchange; 5] = [
    grpc(Some(CHECK), "OK", [None; 2]),
    grpc(Some(CHECK), "NOT_FOUND", [None, Some("NOT_FOUND")]),
    grpc(Some(WATCH), "CANCELLED", [Some("aborted"); 2]),
    grpc(Some(INFO), "OK", [None; 2]),
    grpc(None, "UNIMPLEMENTED", [Some("UNIMPLEMENTED"); 2]),
];

const fn http(
    method: &'static str,
    endpoint: Option<&'static str>,
    status: Option<u16>,
    errors: [Option<&'static str>; 2],
) -> Exchange {
    Exchange { method, endpoint, version: "1.1", status, grpc_status: None, errors }
}

const fn grpc(
    endpoint: Option<&'static str>,
    status: &'static str,
    errors: [Option<&'static str>; 2],
) -> Exchange {
    let http = http("POST", endpoint, Some(200), errors);
    Exchange { version: "2", grpc_status: Some(status), ..http }
}

/// The series of all metrics.
pub(crate) fn expected(setup: Setup, addresses: &Addresses) -> BTreeMap<String, Series> {
    let Addresses { http, grpc, closed } = addresses;
    let mut all = BTreeMap::new();
    let mut add = |metric: &str, attributes: &Attributes, count: i64| {
        let series: &mut Series = all.entry(metric.to_owned()).or_default();
        *series.entry(attributes.clone()).or_default() += count;
    };
    let mut add_http = |side: &str, attributes: &Attributes, is_call: bool| {
        if !is_call {
            add(&format!("http.{side}.request.duration"), attributes, 1);
        }
        if setup.has_opt_in {
            add(&format!("http.{side}.request.body.size"), attributes, 1);
            add(&format!("http.{side}.response.body.size"), attributes, 1);
            let mut active = attributes.clone();
            active.retain(|key, _| ACTIVE.contains(&key.as_str()));
            // All requests have ended.
            add(&format!("http.{side}.active_requests"), &active, 0);
        }
    };
    let on_http = HTTP.iter().map(|exchange| (exchange, http));
    let on_grpc = GRPC.iter().map(|exchange| (exchange, grpc));
    for (exchange, server) in on_http.chain(on_grpc) {
        let is_call = exchange.grpc_status.is_some();
        add_http("server", &exchange.on_server(server, setup), is_call);
        add_http("client", &exchange.on_client(server, setup), is_call);
    }
    add_http("client", &refused(closed, setup), false);
    for call in &GRPC {
        add("rpc.server.call.duration", &call.of_call(0, setup.has_opt_in.then_some(grpc)), 1);
        add("rpc.client.call.duration", &call.of_call(1, Some(grpc)), 1);
    }
    all
}

impl Exchange {
    fn on_server(&self, server: &SocketAddr, setup: Setup) -> Attributes {
        let mut attributes = self.of_both(0);
        attributes.insert("url.scheme".to_owned(), "http".into());
        attributes.insert("network.protocol.version".to_owned(), self.version.into());
        add(&mut attributes, "http.route", self.endpoint);
        add_server(&mut attributes, setup.has_opt_in.then_some(server));
        attributes
    }

    fn on_client(&self, server: &SocketAddr, setup: Setup) -> Attributes {
        let mut attributes = self.of_both(1);
        // The version is that of the response.
        let version = self.status.map(|_| self.version);
        add(&mut attributes, "network.protocol.version", version);
        add(&mut attributes, "url.template", self.endpoint.filter(|_| setup.has_opt_in));
        add_server(&mut attributes, Some(server));
        attributes
    }

    fn of_both(&self, side: usize) -> Attributes {
        let mut attributes = Attributes::new();
        add(&mut attributes, "http.request.method", Some(self.method));
        add(&mut attributes, "http.response.status_code", self.status);
        add(&mut attributes, "error.type", self.errors[side]);
        attributes
    }

    fn of_call(&self, side: usize, server: Option<&SocketAddr>) -> Attributes {
        let mut attributes = Attributes::new();
        let method = self.endpoint.map_or("_OTHER", |path| path.trim_start_matches('/'));
        add(&mut attributes, "rpc.system.name", Some("grpc"));
        add(&mut attributes, "rpc.method", Some(method));
        add(&mut attributes, "rpc.response.status_code", self.grpc_status);
        add(&mut attributes, "error.type", self.errors[side]);
        add_server(&mut attributes, server);
        attributes
    }
}

/// A request to an address where no server listens.
fn refused(closed: &SocketAddr, setup: Setup) -> Attributes {
    let mut attributes = Attributes::new();
    add(&mut attributes, "http.request.method", Some("GET"));
    add(&mut attributes, "error.type", Some("connect_error"));
    if setup.has_opt_in {
        add(&mut attributes, "url.template", Some(ITEM));
        // It is not in the list of hosts.
        add(&mut attributes, "server.address", Some("_OTHER"));
    } else {
        add_server(&mut attributes, Some(closed));
    }
    attributes
}

fn add_server(attributes: &mut Attributes, server: Option<&SocketAddr>) {
    let address = server.map(|server| server.ip().to_string());
    add(attributes, "server.address", address.as_deref());
    add(attributes, "server.port", server.map(SocketAddr::port));
}

fn add(attributes: &mut Attributes, key: &str, value: Option<impl Into<Typed>>) {
    attributes.extend(value.map(|value| (key.to_owned(), value.into())));
}

/// The attributes of the active requests.
const ACTIVE: [&str; 4] = ["http.request.method", "url.scheme", "server.address", "server.port"];
