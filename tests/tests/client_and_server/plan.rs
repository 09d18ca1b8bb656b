//! What happens to each request of the traffic.

use http::{HeaderMap, Method, StatusCode};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;

/// A request, and what its client and its server tell each other outside of the connection.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) id: u32,
    pub(crate) plan: Plan,
    /// The server has the request.
    pub(crate) arrived: Notify,
    /// The client has the first frame of the response's body.
    pub(crate) proceed: Notify,
    /// How often the request arrived at the server.
    arrivals: AtomicU32,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) protocol: Protocol,
    pub(crate) ending: Ending,
    /// `POST` for gRPC.
    pub(crate) method: Method,
    /// The status of the response, or the code of a gRPC call.
    pub(crate) code: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    Grpc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// A whole response with the planned code.
    Respond,
    /// There is no such route, or no such method.
    Unmatched,
    /// A body of several frames. A gRPC call ends with the planned code.
    Stream,
    /// A request body of several frames. A gRPC call ends with the planned code.
    Upload,
    /// The body fails after its first frame. Only HTTP: an error of a gRPC stream is a status.
    BodyFails,
    HandlerPanics,
    BodyPanics,
    /// The client drops the future of a request that the server has.
    ClientCancels,
    /// The same, while the server responds.
    ClientCancelsInRace,
    /// The client drops the body after its first frame.
    ClientAborts,
    /// The client drops a body that it has not read.
    ClientReadsNothing,
    /// The server resets the connection before the head, or after the first frame.
    ServerKills,
    ServerKillsBody,
    /// The client resets the connection. Only HTTP.
    ClientKills,
    ClientKillsBody,
    /// A time limit of the client ends.
    TimesOut,
    NothingListens,
}

impl Exchange {
    pub(crate) fn random(id: u32, random: &mut fastrand::Rng) -> Self {
        Self {
            id,
            plan: Plan::random(random),
            arrived: Notify::new(),
            proceed: Notify::new(),
            arrivals: AtomicU32::new(0),
        }
    }

    /// The value of the header [`NAME`], which is the endpoint of the request in the series of the outer layers. As a path with two
    /// segments it is also a method of gRPC.
    pub(crate) fn name(&self) -> String {
        format!("{PREFIX}{}", self.id)
    }

    pub(crate) fn read_name(headers: &HeaderMap) -> Option<&str> {
        headers.get(NAME)?.to_str().ok()
    }

    pub(crate) fn id(name: &str) -> u32 {
        let id = name.strip_prefix(PREFIX).and_then(|id| id.parse().ok());
        id.expect("each request has a name")
    }

    pub(crate) fn arrive(&self) {
        self.arrivals.fetch_add(1, Ordering::Relaxed);
        self.arrived.notify_one();
    }

    pub(crate) fn arrivals(&self) -> u32 {
        self.arrivals.load(Ordering::Relaxed)
    }
}

impl Plan {
    fn random(random: &mut fastrand::Rng) -> Self {
        let protocol = *one_of(random, &[Protocol::Http1, Protocol::Http2, Protocol::Grpc]);
        let is_grpc = protocol == Protocol::Grpc;
        let ending = loop {
            let ending = one_of_weighted(random, &ENDINGS);
            if !(is_grpc && ONLY_HTTP.contains(&ending)) {
                break ending;
            }
        };
        let method = match ending {
            Ending::Upload => Method::POST,
            // The body of a response to `HEAD` is not sent.
            _ if is_grpc || ending != Ending::Respond => Method::POST,
            _ => Method::from_bytes(one_of(random, &METHODS).as_bytes()).expect("a method"),
        };
        let method = match ending {
            Ending::Stream | Ending::ClientAborts if !is_grpc => Method::GET,
            _ => method,
        };
        let code = match (is_grpc, ending) {
            (true, Ending::Respond | Ending::Upload | Ending::Stream) if random.bool() => {
                random.u16(0..=16)
            }
            (true, _) => 0,
            (false, Ending::Respond) => *one_of(random, &STATUSES),
            (false, Ending::Unmatched) => StatusCode::NOT_FOUND.as_u16(),
            (false, _) => StatusCode::OK.as_u16(),
        };
        Self { protocol, ending, method, code }
    }
}

fn one_of<'a, T>(random: &mut fastrand::Rng, items: &'a [T]) -> &'a T {
    &items[random.usize(..items.len())]
}

fn one_of_weighted(random: &mut fastrand::Rng, endings: &[(Ending, u32)]) -> Ending {
    let total: u32 = endings.iter().map(|(_, weight)| weight).sum();
    let mut left = random.u32(..total);
    let found = endings.iter().find(|(_, weight)| match left.checked_sub(*weight) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    found.expect("the number is below the total").0
}

/// How often each ending is planned.
const ENDINGS: [(Ending, u32); 17] = [
    (Ending::Respond, 30),
    (Ending::Unmatched, 4),
    (Ending::Stream, 10),
    (Ending::Upload, 8),
    (Ending::BodyFails, 4),
    (Ending::HandlerPanics, 4),
    (Ending::BodyPanics, 4),
    (Ending::ClientCancels, 5),
    (Ending::ClientCancelsInRace, 6),
    (Ending::ClientAborts, 5),
    (Ending::ClientReadsNothing, 4),
    (Ending::ServerKills, 2),
    (Ending::ServerKillsBody, 2),
    (Ending::ClientKills, 2),
    (Ending::ClientKillsBody, 2),
    (Ending::TimesOut, 1),
    (Ending::NothingListens, 4),
];

const ONLY_HTTP: [Ending; 3] = [Ending::BodyFails, Ending::ClientKills, Ending::ClientKillsBody];

/// `BREW` and `QUERY` are not in the list of known methods.
const METHODS: [&str; 9] =
    ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW", "QUERY"];

const STATUSES: [u16; 12] = [200, 201, 204, 301, 304, 400, 404, 408, 429, 500, 503, 504];

/// The header with the name of the request.
pub(crate) const NAME: &str = "x-request";
const PREFIX: &str = "/request/";
