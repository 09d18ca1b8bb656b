//! The traffic, and its measurements.
//!
//! Each side has two layers. In the series of the outer one, the endpoint is the name of the request: its numbers are compared
//! request for request. The inner one has the routes of an application: its numbers are the sums of the others.

use crate::client::{Clients, Layers};
use crate::measured::Measured;
use crate::plan::Exchange;
use crate::seen::Seen;
use crate::server::{self, CLIENT_STREAM, SERVER_STREAM, Traffic, UNARY};
use asdlc_tests::wait::{DEADLINE, eventually};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower_asdlc_metrics::{
    Conventions, Endpoint, GrpcMethods, HttpClientMetricsLayer, HttpClientMetricsLayerBuilder,
    HttpMetricsLayer, HttpMetricsLayerBuilder, MatchedRoute, endpoint_fn,
};

/// What was measured.
pub(crate) struct Run {
    /// By the outer layers, with the name of the request as the endpoint.
    pub(crate) server: Measured,
    pub(crate) client: Measured,
    /// By the inner layers.
    pub(crate) server_routes: Measured,
    pub(crate) client_routes: Measured,
    pub(crate) seen: BTreeMap<u32, Seen>,
}

impl Run {
    /// Sends all requests. At the end, none is in flight.
    pub(crate) fn of(traffic: &Traffic) -> Self {
        let [server, client, server_routes, client_routes] =
            [(); 4].map(|()| Mutex::new(Measured::new()));
        let provider = |measured: &Mutex<Measured>| {
            measured.lock().expect("no holder panics").provider.clone()
        };
        let name = || endpoint_fn(|head| Exchange::read_name(head.headers));
        let methods = || GrpcMethods::new([UNARY, SERVER_STREAM, CLIENT_STREAM]);
        let server_layer = |builder: HttpMetricsLayerBuilder, measured| {
            let builder = builder.with_conventions(Conventions::Both).with_active_requests();
            builder.with_max_series(100_000).build(&provider(measured)).expect("valid settings")
        };
        let outer = server_layer(HttpMetricsLayer::builder(name()), &server);
        let routes = HttpMetricsLayer::builder(methods().or(MatchedRoute));
        let inner = server_layer(routes, &server_routes);
        let client_layer = |builder: HttpClientMetricsLayerBuilder, measured| {
            let builder = builder.with_conventions(Conventions::Both).with_active_requests();
            let builder = builder.with_max_series(100_000).with_tonic_errors();
            // The requests of a channel name no host.
            let builder = builder.with_default_host("inventory:50051");
            builder.build(&provider(measured)).expect("valid settings")
        };
        let template = endpoint_fn(|head| match head.uri().path() {
            path if path.starts_with("/items/") => Some("/items/{id}"),
            path if path.starts_with("/streams/") => Some("/streams/{id}"),
            _ => None,
        });
        let builder = HttpClientMetricsLayer::builder;
        let layers = Layers {
            outer: client_layer(builder().with_endpoint(name()), &client),
            inner: client_layer(builder().with_endpoint(methods().or(template)), &client_routes),
        };

        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
        let router = server::router(Arc::clone(traffic), outer, inner);
        let address = runtime.block_on(server::serve(router));
        let (done, is_done) = channel::<()>();
        let seen = thread::scope(|scope| {
            // Collections during the traffic: what is buffered is flushed at any point of a request.
            let routes = [&server_routes, &client_routes];
            scope.spawn(move || {
                while is_done.recv_timeout(BETWEEN_COLLECTIONS) == Err(RecvTimeoutError::Timeout) {
                    for measured in routes {
                        measured.lock().expect("no holder panics").collect_changes();
                    }
                }
            });
            let seen = runtime.block_on(send_all(traffic, &layers, address));
            drop(done);
            seen
        });
        let all = [server, client, server_routes, client_routes];
        let [server, client, server_routes, client_routes] =
            all.map(|measured| measured.into_inner().expect("no holder panics"));
        assert!(server_routes.collections >= 10, "{} collections", server_routes.collections);
        let arrived: u32 = traffic.iter().map(Exchange::arrivals).sum();
        for (measured, name, count) in [
            (&server, "http_requests", arrived),
            (&server_routes, "http_requests", arrived),
            (&client, "http_client_requests", traffic.len() as u32),
            (&client_routes, "http_client_requests", traffic.len() as u32),
        ] {
            let is_complete = || measured.sum(name) >= i64::from(count);
            assert!(eventually(DEADLINE, is_complete), "{} of {count}", measured.sum(name));
            // All gauges of all labels, in both conventions.
            let in_flight = measured.in_flight();
            assert!(in_flight.len() >= 2, "{in_flight:?}");
            assert!(in_flight.values().all(|count| *count == 0), "{in_flight:?}");
        }
        Self { server, client, server_routes, client_routes, seen }
    }
}

/// Sends all requests, and returns what their clients saw.
async fn send_all(traffic: &Traffic, layers: &Layers, server: SocketAddr) -> BTreeMap<u32, Seen> {
    // Nothing listens on this port, and nothing else gets it.
    let bound = TcpSocket::new_v4().expect("there are sockets");
    bound.bind("127.0.0.1:0".parse().expect("an address")).expect("loopback has a free port");
    let closed = bound.local_addr().expect("it has an address");
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (traffic, layers) = (Arc::clone(traffic), layers.clone());
        workers.spawn(async move {
            let own: Vec<_> = (worker..traffic.len() as u32).step_by(WORKERS as usize).collect();
            let mut seen = Vec::new();
            for ids in own.chunks(REQUESTS_OF_A_CLIENT) {
                let clients = Arc::new(Clients::new(layers.clone(), server, closed));
                // Some at a time, on the same connections.
                for ids in ids.chunks(4) {
                    let mut requests = JoinSet::new();
                    for id in ids.iter().copied() {
                        let (traffic, clients) = (Arc::clone(&traffic), Arc::clone(&clients));
                        requests.spawn(async move {
                            let exchange = &traffic[id as usize];
                            let seen = timeout(DEADLINE, clients.send(exchange)).await;
                            (id, seen.unwrap_or_else(|_| panic!("it has not ended: {exchange:?}")))
                        });
                    }
                    seen.extend(requests.join_all().await);
                }
            }
            seen
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

const WORKERS: u32 = 8;
const REQUESTS_OF_A_CLIENT: usize = 200;
const BETWEEN_COLLECTIONS: Duration = Duration::from_millis(20);
