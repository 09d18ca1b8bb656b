//! What the labels of Prometheus' convention are in OpenTelemetry's conventions.

use crate::measured::{Labels, Points};
use std::collections::{BTreeMap, BTreeSet};

/// For each way in which a request can end: its labels in Prometheus' convention, and its attributes in OpenTelemetry's.
///
/// - A server's 4xx, and a gRPC status that is the caller's fault, are failed requests in Prometheus' convention. In
///   OpenTelemetry's they are no errors of a server, and errors of a client.
/// - The status of a request without a response is 499 or 500 on a server, and `_NONE` on a client. OpenTelemetry's conventions
///   leave it out.
/// - An error by the status is a class of statuses in Prometheus' convention (`server_error`, `timeout`), and the status itself
///   in OpenTelemetry's: `503`, `DEADLINE_EXCEEDED`. Every other ending has the same name in both.
/// - A gRPC call has no HTTP status in OpenTelemetry's conventions.
///
/// The empty text is a label that is left out. In the last two columns, the name of a label is its value.
#[rustfmt::skip]
const TABLE: [[&str; 7]; 26] = [
    // side     protocol status     grpc_status           error_type                         response.status_code  error.type
    ["both",   "http",  "2xx 3xx", "",                   "",                                "status",             ""],
    ["server", "http",  "4xx",     "",                   "client_error timeout",            "status",             ""],
    ["client", "http",  "4xx",     "",                   "client_error timeout",            "status",             "status"],
    ["both",   "http",  "5xx",     "",                   "server_error timeout",            "status",             "status"],
    ["server", "http",  "499",     "",                   "cancelled",                       "",                   "error_type"],
    ["server", "http",  "500",     "",                   "panic",                           "",                   "error_type"],
    ["client", "http",  "_NONE",   "",                   "cancelled connect_error reset service_error timeout", "", "error_type"],
    ["server", "http",  "200",     "",                   "aborted body_error panic",        "status",             "error_type"],
    ["client", "http",  "200",     "",                   "aborted reset",                   "status",             "error_type"],
    ["both",   "grpc",  "200",     "OK",                 "",                                "grpc_status",        ""],
    ["server", "grpc",  "200",     "CANCELLED",          "cancelled",                       "grpc_status",        ""],
    ["client", "grpc",  "200",     "CANCELLED",          "cancelled",                       "grpc_status",        "grpc_status"],
    ["server", "grpc",  "200",     CALLERS_FAULT,        "client_error",                    "grpc_status",        ""],
    ["client", "grpc",  "200",     CALLERS_FAULT,        "client_error",                    "grpc_status",        "grpc_status"],
    ["both",   "grpc",  "200",     SERVERS_FAULT,        "server_error",                    "grpc_status",        "grpc_status"],
    ["both",   "grpc",  "200",     "DEADLINE_EXCEEDED",  "timeout",                         "grpc_status",        "grpc_status"],
    // The status decides in Prometheus' convention, the code that the client derives from it in OpenTelemetry's.
    ["both",   "grpc",  "404",     "UNIMPLEMENTED",      "client_error",                    "grpc_status",        "grpc_status"],
    ["server", "grpc",  "499",     "CANCELLED",          "cancelled",                       "grpc_status",        "error_type"],
    ["server", "grpc",  "500",     "UNKNOWN",            "panic",                           "grpc_status",        "error_type"],
    ["server", "grpc",  "200",     "CANCELLED",          "aborted",                         "grpc_status",        "error_type"],
    ["server", "grpc",  "200",     "UNKNOWN",            "panic",                           "grpc_status",        "error_type"],
    ["client", "grpc",  "_NONE",   "CANCELLED",          "cancelled",                       "grpc_status",        "error_type"],
    ["client", "grpc",  "_NONE",   "DEADLINE_EXCEEDED",  "timeout",                         "grpc_status",        "error_type"],
    ["client", "grpc",  "_NONE",   "UNAVAILABLE",        "connect_error reset",             "grpc_status",        "error_type"],
    ["client", "grpc",  "200",     "CANCELLED",          "aborted",                         "grpc_status",        "error_type"],
    ["client", "grpc",  "200",     "UNAVAILABLE",        "reset",                           "grpc_status",        "error_type"],
];

const CALLERS_FAULT: &str = "INVALID_ARGUMENT NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED \
                             FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNAUTHENTICATED";
const SERVERS_FAULT: &str = "UNKNOWN UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// The labels of requests in Prometheus' convention. The empty text is a label that is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Prometheus {
    pub(crate) method: String,
    pub(crate) endpoint: String,
    pub(crate) host: String,
    pub(crate) status: String,
    pub(crate) grpc_status: String,
    pub(crate) error_type: String,
}

/// The attributes of requests in OpenTelemetry's conventions that both conventions know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Semantic {
    is_grpc: bool,
    method: String,
    route: String,
    server: String,
    status_code: String,
    error_type: String,
}

/// The requests by their labels in Prometheus' convention.
pub(crate) fn prometheus(points: &Points, side: Side) -> BTreeMap<Prometheus, i64> {
    let name = if side == Side::Server { "http_requests" } else { "http_client_requests" };
    let mut requests = BTreeMap::new();
    for ((_, labels), count) in named(points, name) {
        requests.insert(Prometheus::of(labels), *count);
    }
    // Those that have failed are in both counters.
    for ((_, labels), count) in named(points, &format!("{name}_failed")) {
        let failed = Prometheus::of(labels);
        let all = Prometheus { error_type: String::new(), ..failed.clone() };
        let rest = requests.get_mut(&all).expect("a failed request is a request");
        *rest -= count;
        assert!(*rest >= 0, "more requests have failed than there are: {all:?}");
        requests.insert(failed, *count);
    }
    requests.retain(|_, count| *count != 0);
    requests
}

/// The requests by their attributes in OpenTelemetry's conventions.
pub(crate) fn semantic(points: &Points, side: Side) -> BTreeMap<Semantic, i64> {
    let side = if side == Side::Server { "server" } else { "client" };
    let mut requests = BTreeMap::new();
    let names = [format!("http.{side}.request.duration"), format!("rpc.{side}.call.duration")];
    let http = named(points, &names[0]).map(|point| (point, false));
    let calls = named(points, &names[1]).map(|point| (point, true));
    for (((_, labels), count), is_grpc) in http.chain(calls) {
        // Without the version and the scheme, which are no labels in Prometheus' convention.
        *requests.entry(Semantic::of(labels, is_grpc)).or_default() += count;
    }
    requests
}

/// Translates requests from Prometheus' convention into OpenTelemetry's. Adds the rows of the table that were used.
pub(crate) fn translate(
    requests: &BTreeMap<Prometheus, i64>,
    side: Side,
    used: &mut BTreeSet<usize>,
) -> BTreeMap<Semantic, i64> {
    let mut translated = BTreeMap::new();
    for (request, count) in requests {
        *translated.entry(request.translate(side, used)).or_default() += count;
    }
    translated
}

pub(crate) fn unused_rows(used: &BTreeSet<usize>) -> Vec<&'static [&'static str; 7]> {
    TABLE.iter().enumerate().filter(|(row, _)| !used.contains(row)).map(|(_, row)| row).collect()
}

impl Prometheus {
    fn of(labels: &Labels) -> Self {
        let get = |key: &str| labels.get(key).cloned().unwrap_or_default();
        let known = ["method", "endpoint", "host", "status", "grpc_status", "error_type"];
        assert!(labels.keys().all(|key| known.contains(&key.as_str())), "{labels:?}");
        Self {
            method: get("method"),
            endpoint: get("endpoint"),
            host: get("host"),
            status: get("status"),
            grpc_status: get("grpc_status"),
            error_type: get("error_type"),
        }
    }

    fn translate(&self, side: Side, used: &mut BTreeSet<usize>) -> Semantic {
        let is_grpc = !self.grpc_status.is_empty();
        let matches = |row: &[&str; 7]| {
            let [of_side, protocol, status, grpc_status, error_type, ..] = *row;
            let any_of = |list: &str, value: &str| match list {
                "" => value.is_empty(),
                list => list.split_whitespace().any(|item| item == value),
            };
            let class = format!("{}xx", &self.status[..1]);
            (of_side == "both" || (of_side == "server") == (side == Side::Server))
                && (protocol == "grpc") == is_grpc
                && (any_of(status, &self.status) || any_of(status, &class))
                && any_of(grpc_status, &self.grpc_status)
                && any_of(error_type, &self.error_type)
        };
        let rows: Vec<_> = (0..TABLE.len()).filter(|row| matches(&TABLE[*row])).collect();
        let [row] = rows[..] else { panic!("{side:?} {self:?} is in the rows {rows:?}") };
        used.insert(row);
        let [.., status_code, error_type] = TABLE[row];
        let value = |of: &str| match of {
            "status" => self.status.clone(),
            "grpc_status" => self.grpc_status.clone(),
            "error_type" => self.error_type.clone(),
            _ => String::new(),
        };
        let route = self.endpoint.replace("_UNMATCHED", "");
        Semantic {
            is_grpc,
            method: if is_grpc { String::new() } else { self.method.clone() },
            route: if is_grpc { route.trim_start_matches('/').to_owned() } else { route },
            server: self.host.clone(),
            status_code: value(status_code),
            error_type: value(error_type),
        }
    }
}

impl Semantic {
    fn of(labels: &Labels, is_grpc: bool) -> Self {
        let get = |key: &str| labels.get(key).cloned().unwrap_or_default();
        let port = labels.get("server.port").map(|port| format!(":{port}"));
        Self {
            is_grpc,
            method: get("http.request.method"),
            route: [get("http.route"), get("url.template"), get("rpc.method")].concat(),
            server: get("server.address") + &port.unwrap_or_default(),
            status_code: [get("http.response.status_code"), get("rpc.response.status_code")]
                .concat(),
            error_type: get("error.type"),
        }
    }
}

fn named<'a>(
    points: &'a Points,
    name: &'a str,
) -> impl Iterator<Item = (&'a (String, Labels), &'a i64)> {
    points.iter().filter(move |((of, _), _)| of == name)
}
