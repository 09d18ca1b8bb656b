//! How the two ends of one request can end.

use crate::plan::Ending::{self, *};
use crate::plan::{Exchange, Protocol};
use crate::translation::Prometheus;
use std::collections::BTreeMap;

/// For each planned ending: how the client's request ends, and how the server's request ends. Where there are several pairs for one
/// ending, each of them can occur.
///
/// - The server says what happened in the server (`panic`, `body_error`); the client only sees that the connection or the stream was
///   reset.
/// - A client that leaves is `cancelled` or `aborted` on both sides, unless the server was faster.
/// - A body that a client does not read is no failure of the client. The server could not send it. A gRPC call that is not read has
///   no status, and is a failure on both sides.
/// - A connection that is reset by either side is a client that left at the server. At the client it is `reset`, or `service_error` if
///   the client itself gave up its connection before the head.
/// - What never reached the server is only in the numbers of the client.
#[rustfmt::skip]
const PAIRS: [(Ending, &str, &str, &str); 25] = [
    (Respond,             "http grpc", "complete",      "complete"),
    (Unmatched,           "http grpc", "complete",      "complete"),
    (Stream,              "http grpc", "complete",      "complete"),
    (Upload,              "http grpc", "complete",      "complete"),
    (BodyFails,           "http",      "reset",         "body_error"),
    (HandlerPanics,       "http grpc", "reset",         "panic"),
    (BodyPanics,          "http grpc", "reset",         "panic"),
    (ClientCancels,       "http grpc", "cancelled",     "cancelled"),
    (ClientCancelsInRace, "http grpc", "complete",      "complete"),
    (ClientCancelsInRace, "http grpc", "cancelled",     "complete"),
    (ClientCancelsInRace, "http grpc", "cancelled",     "aborted"),
    (ClientCancelsInRace, "http grpc", "cancelled",     "cancelled"),
    // The response is at the client's layer when the caller stops waiting for it.
    (ClientCancelsInRace, "http grpc", "aborted",       "complete"),
    (ClientCancelsInRace, "http grpc", "aborted",       "aborted"),
    (ClientAborts,        "http grpc", "aborted",       "aborted"),
    (ClientReadsNothing,  "http",      "complete",      "aborted"),
    (ClientReadsNothing,  "grpc",      "aborted",       "aborted"),
    (ServerKills,         "http grpc", "reset",         "cancelled"),
    (ServerKillsBody,     "http grpc", "reset",         "aborted"),
    (ClientKills,         "http",      "service_error", "cancelled"),
    (ClientKills,         "http",      "reset",         "cancelled"),
    (ClientKillsBody,     "http",      "reset",         "aborted"),
    (TimesOut,            "http grpc", "timeout",       "cancelled"),
    (TimesOut,            "http grpc", "timeout",       "nothing"),
    (NothingListens,      "http grpc", "connect_error", "nothing"),
];

/// How often each pair occurred.
#[derive(Debug, Default)]
pub(crate) struct Pairs(BTreeMap<(Ending, &'static str, &'static str, &'static str), u32>);

impl Pairs {
    /// Counts a request. `server`: `None` if it has not recorded the request.
    #[track_caller]
    pub(crate) fn add(
        &mut self,
        exchange: &Exchange,
        client: &Prometheus,
        server: Option<&Prometheus>,
    ) {
        let ending = exchange.plan.ending;
        let protocol = if exchange.plan.protocol == Protocol::Grpc { "grpc" } else { "http" };
        let pair = (how_ended(client), server.map_or("nothing", how_ended));
        if pair == ("complete", "complete") {
            let of = |side: &Prometheus| (side.status.clone(), side.grpc_status.clone());
            assert_eq!(Some(of(client)), server.map(of), "{exchange:?}");
        }
        let row = PAIRS.iter().any(|(of, protocols, client, server)| {
            *of == ending && protocols.contains(protocol) && pair == (client, server)
        });
        assert!(row, "{exchange:?}: {client:?} {server:?}");
        *self.0.entry((ending, protocol, pair.0, pair.1)).or_default() += 1;
    }
}

/// What ended a request, apart from its status.
fn how_ended(request: &Prometheus) -> &'static str {
    let has_response = !matches!(request.status.as_str(), "499" | "_NONE");
    match request.error_type.as_str() {
        "cancelled" if !has_response => "cancelled",
        "timeout" if !has_response => "timeout",
        "aborted" => "aborted",
        "body_error" => "body_error",
        "panic" => "panic",
        "reset" => "reset",
        "connect_error" => "connect_error",
        "service_error" => "service_error",
        "" | "client_error" | "server_error" | "cancelled" | "timeout" => "complete",
        other => panic!("{other} is not planned"),
    }
}

impl Pairs {
    /// Checks that each row of the table occurred.
    #[track_caller]
    pub(crate) fn assert_all_occurred(&self) {
        for (ending, protocols, client, server) in PAIRS {
            let depends_on_time = ending == ClientCancelsInRace
                || matches!(
                    (ending, client, server),
                    (TimesOut, _, "nothing") | (ClientKills, "reset", _)
                );
            for protocol in protocols.split(' ') {
                let occurred = self.0.contains_key(&(ending, protocol, client, server));
                assert!(
                    occurred || depends_on_time,
                    "{ending:?} {protocol} {client} {server}: {self:?}"
                );
            }
        }
        // The server was faster than some clients, and slower than others.
        for client in ["complete", "cancelled"] {
            assert_ne!(
                self.count(|ending, of, _| ending == ClientCancelsInRace && of == client),
                0
            );
        }
    }

    /// The number of requests that only the client has recorded.
    pub(crate) fn not_at_the_server(&self) -> u32 {
        self.count(|_, _, server| server == "nothing")
    }

    fn count(&self, which: impl Fn(Ending, &str, &str) -> bool) -> u32 {
        let counted =
            self.0.iter().filter(|((ending, _, client, server), _)| which(*ending, client, server));
        counted.map(|(_, count)| count).sum()
    }
}
