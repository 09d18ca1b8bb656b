//! The numbers of both conventions and of both sides, after 10 000 requests.

use crate::measured::{Measured, Points, assert_same, sum};
use crate::pairs::Pairs;
use crate::plan::{Ending, Exchange, Protocol};
use crate::run::Run;
use crate::seen::{MADE_UP, expected_labels};
use crate::server::{CLIENT_STREAM, SERVER_STREAM, Traffic, UNARY};
use crate::translation::{self, Prometheus, Side};
use std::collections::{BTreeMap, BTreeSet};
use tower_asdlc_metrics::{OTHER, UNMATCHED};

const REQUESTS: u32 = 10_000;
const SEED: u64 = 17;

// X-01 X-10 X-11 G-01
#[test]
fn both_conventions_and_both_sides_agree_about_each_of_10_000_requests() {
    let mut random = fastrand::Rng::with_seed(SEED);
    let traffic: Traffic = (0..REQUESTS).map(|id| Exchange::random(id, &mut random)).collect();
    let Run { mut server, mut client, mut server_routes, mut client_routes, seen } =
        Run::of(&traffic);

    let points = [&mut server, &mut client, &mut server_routes, &mut client_routes];
    let points = points.map(Measured::points);
    let sides = [Side::Server, Side::Client, Side::Server, Side::Client];
    let [server, client, server_routes, client_routes] =
        [0, 1, 2, 3].map(|layer| translation::prometheus(&points[layer], sides[layer]));

    // The client layer and its client.
    let (by_server, by_client) = (by_request(&server), by_request(&client));
    let mut differ = BTreeMap::new();
    for exchange in &*traffic {
        let recorded = by_client.get(&exchange.id);
        let recorded = recorded.unwrap_or_else(|| panic!("not recorded: {exchange:?}"));
        let seen = &seen[&exchange.id];
        let (recorded, expected) = (labels_of(recorded), expected_labels(exchange, seen));
        let made_up = seen.made_up.is_none_or(|code| {
            MADE_UP.contains(&(seen.error.unwrap_or_default(), &expected[1], code))
        });
        assert!(made_up, "{exchange:?} {seen:?}");
        // The response may be at the layer already when the caller stops waiting for it.
        let has_raced = exchange.plan.ending == Ending::ClientCancelsInRace
            && recorded[2] == "aborted"
            && expected[2] == "cancelled";
        if recorded != expected && !has_raced {
            let plan = (exchange.plan.ending, exchange.plan.protocol);
            *differ.entry((plan, recorded, expected, &seen.text)).or_default() += 1;
        }
    }
    assert_same(&differ, &BTreeMap::new());
    assert_eq!(by_client.len(), seen.len());

    // Both sides.
    let mut pairs = Pairs::default();
    for exchange in &*traffic {
        let at_server = by_server.get(&exchange.id).copied();
        assert_eq!(u32::from(at_server.is_some()), exchange.arrivals(), "{exchange:?}");
        pairs.add(exchange, by_client[&exchange.id], at_server);
    }
    pairs.assert_all_occurred();
    let not_at_the_server = pairs.not_at_the_server() as usize;
    assert_eq!(by_server.len(), by_client.len() - not_at_the_server);
    let nothing_listens = |exchange: &&Exchange| exchange.plan.ending == Ending::NothingListens;
    // Only a time limit can end before the request arrives.
    assert!(not_at_the_server >= traffic.iter().filter(nothing_listens).count());

    // Both conventions.
    let mut used = BTreeSet::new();
    for (layer, requests) in
        [&server, &client, &server_routes, &client_routes].into_iter().enumerate()
    {
        let (points, side) = (&points[layer], sides[layer]);
        let translated = translation::translate(requests, side, &mut used);
        assert_same(&translation::semantic(points, side), &translated);
        assert_durations(points, side, requests);
    }
    assert_eq!(translation::unused_rows(&used), [&[""; 7]; 0]);

    // Both layers of a side.
    for (requests, routes) in [(&by_server, &server_routes), (&by_client, &client_routes)] {
        let mut sums = BTreeMap::new();
        for (id, request) in requests {
            let endpoint = route(&traffic[*id as usize]).to_owned();
            *sums.entry(Prometheus { endpoint, ..(*request).clone() }).or_default() += 1;
        }
        assert_same(&sums, routes);
    }
}

/// The latencies of Prometheus' convention have the requests of all statuses.
#[track_caller]
fn assert_durations(points: &Points, side: Side, requests: &BTreeMap<Prometheus, i64>) {
    let [requests_name, duration, http, rpc] = match side {
        Side::Server => [
            "http_requests",
            "http_request_duration",
            "http.server.request.duration",
            "rpc.server.call.duration",
        ],
        Side::Client => [
            "http_client_requests",
            "http_client_request_duration",
            "http.client.request.duration",
            "rpc.client.call.duration",
        ],
    };
    let total = sum(points, requests_name);
    assert_eq!(sum(points, http) + sum(points, rpc), total);
    let mut by_route = BTreeMap::new();
    for (request, count) in requests {
        let Prometheus { method, endpoint, host, .. } = request;
        *by_route.entry([method, endpoint, host].map(String::clone)).or_default() += count;
    }
    let timed = points.iter().filter(|((name, _), _)| name == duration);
    let timed = timed.map(|((_, labels), count)| {
        let get = |key: &str| labels.get(key).cloned().unwrap_or_default();
        (["method", "endpoint", "host"].map(get), *count)
    });
    assert_eq!(timed.collect::<BTreeMap<_, _>>(), by_route);
}

/// The labels of each request. Each was counted once.
#[track_caller]
fn by_request(requests: &BTreeMap<Prometheus, i64>) -> BTreeMap<u32, &Prometheus> {
    let mut by_id = BTreeMap::new();
    for (labels, count) in requests {
        let id = Exchange::id(&labels.endpoint);
        assert_eq!((*count, by_id.insert(id, labels)), (1, None), "{labels:?}");
    }
    by_id
}

fn labels_of(request: &Prometheus) -> [String; 3] {
    [&request.status, &request.grpc_status, &request.error_type].map(String::clone)
}

/// The endpoint of a request in the series of the inner layers.
fn route(exchange: &Exchange) -> &'static str {
    let is_grpc = exchange.plan.protocol == Protocol::Grpc;
    match exchange.plan.ending {
        Ending::Unmatched if is_grpc => OTHER,
        Ending::Unmatched => UNMATCHED,
        Ending::Upload if is_grpc => CLIENT_STREAM,
        Ending::Respond | Ending::Upload if !is_grpc => "/items/{id}",
        _ if !is_grpc => "/streams/{id}",
        Ending::Stream
        | Ending::BodyPanics
        | Ending::ClientAborts
        | Ending::ClientReadsNothing
        | Ending::ServerKillsBody => SERVER_STREAM,
        _ => UNARY,
    }
}
