//! Connections that outlive the request that upgraded them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use asdlc_exporter::Exporter;
use asdlc_tests::client::exchange_bytes;
use asdlc_tests::in_process::Server;
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::WebSocket;
use axum::response::Response;
use axum::routing::{any, get};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;
use tower::{Layer, service_fn};
use tower_asdlc_metrics::{HttpMetricsLayer, MatchedRoute, UpgradeGuard, endpoint_fn};

use super::{exporter, exposition, http2_connection, read_until, send_bytes};

const IN_FLIGHT: &str = "http_upgraded_connections_in_flight";
const DURATION: &str = "http_upgraded_connection_duration_seconds";

// F-12c
#[test]
fn a_websocket_is_in_flight_from_its_handshake_to_its_end_and_its_request_only_to_the_handshake() {
    let exporter = exporter();
    let metrics = HttpMetricsLayer::builder(MatchedRoute).with_upgrades().build(&exporter.meter());
    let router = Router::new()
        .route("/chat/{room}", any(chat))
        .route("/unguarded", any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)))
        .layer(metrics.expect("the defaults are valid"));
    let server = Server::axum(router);
    let clients =
        [shake_hands(server.address(), "/chat/a"), shake_hands(server.address(), "/chat/b")];
    let unguarded = shake_hands(server.address(), "/unguarded");
    assert_eq!(in_flight(&exporter), [("/chat/{room}".to_owned(), 2.0)]);
    assert!(durations(&exporter).is_empty());
    // The request ends with the handshake.
    let requests = || exposition(&exporter).sum("http_requests_total") == 3.0;
    assert!(eventually(DEADLINE, requests));
    assert_eq!(exposition(&exporter).sum("http_requests_in_flight"), 0.0);
    assert_eq!(exposition(&exporter).sum("http_requests_failed_total"), 0.0);
    drop((clients, unguarded));
    let ended = [("/chat/{room}".to_owned(), 2.0)];
    assert!(eventually(DEADLINE, || durations(&exporter) == ended), "{:?}", durations(&exporter));
    assert_eq!(in_flight(&exporter), [("/chat/{room}".to_owned(), 0.0)]);
}

async fn chat(upgrade: WebSocketUpgrade, guard: UpgradeGuard) -> Response {
    upgrade.on_upgrade(|socket| guard.hold(echo(socket)))
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

// F-12c
#[test]
fn a_request_that_is_not_upgraded_is_no_upgraded_connection_even_if_its_guard_is_held() {
    let exporter = exporter();
    let metrics = HttpMetricsLayer::builder(MatchedRoute).with_upgrades().build(&exporter.meter());
    let held = Arc::new(Mutex::new(Vec::new()));
    let hold = Arc::clone(&held);
    let router = Router::new()
        .route(
            "/refuses",
            get(async move |guard: UpgradeGuard| {
                hold.lock().expect("no holder panics").push(guard);
                StatusCode::FORBIDDEN
            }),
        )
        .route("/panics", get(async |_guard: UpgradeGuard| -> StatusCode { panic!("deliberate") }))
        .route("/chat", any(chat))
        .layer(metrics.expect("the defaults are valid"));
    let server = Server::axum(router);
    for path in ["/refuses", "/panics", "/chat", "/nowhere"] {
        // `/chat` rejects the request because it has no key.
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n"
        );
        let response = exchange_bytes(server.address(), request.as_bytes());
        assert!(!response.starts_with(b"HTTP/1.1 101"), "{path}");
    }
    // A request without an upgrade.
    _ = exchange_bytes(
        server.address(),
        b"GET /refuses HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
    );
    let all = || exposition(&exporter).sum("http_requests_total") == 5.0;
    assert!(eventually(DEADLINE, all));
    assert_eq!(held.lock().expect("no holder panics").drain(..).count(), 2);
    assert!(in_flight(&exporter).is_empty() && durations(&exporter).is_empty());
}

// F-12c
#[test]
fn an_http_2_tunnel_is_counted_only_if_its_guard_is_held() {
    let exporter = exporter();
    let metrics = HttpMetricsLayer::builder(endpoint_fn(|head| {
        Some(if head.extensions.get::<Protocol>().is_some() { "websocket" } else { "tunnel" })
    }));
    let metrics = metrics.with_upgrades().build(&exporter.meter()).expect("the defaults are valid");
    let runtime = Runtime::new().expect("a runtime can be built");
    runtime.block_on(async {
        let address = http2_connection::serve(metrics.layer(service_fn(tunnel))).await;
        let mut client = http2_connection::connect(address).await;
        for (target, protocol) in [
            ("guarded:443".to_owned(), None),
            ("unguarded:443".to_owned(), None),
            (format!("http://{address}/guarded"), Some(Protocol::from_static("websocket"))),
        ] {
            let held = f64::from(u8::from(!target.starts_with("unguarded")));
            let mut request = Request::connect(target);
            if let Some(protocol) = protocol {
                request = request.extension(protocol);
            }
            let request = request.body(Empty::<Bytes>::new()).expect("a request");
            let response = client.send_request(request).await.expect("the server responds");
            let upgraded = hyper::upgrade::on(response).await.expect("it is upgraded");
            assert_eq!(exposition(&exporter).sum(IN_FLIGHT), held);
            TokioIo::new(upgraded).shutdown().await.expect("it is open");
            let closed = || exposition(&exporter).sum(IN_FLIGHT) == 0.0;
            assert!(eventually(DEADLINE, closed), "{:?}", in_flight(&exporter));
        }
    });
    assert_eq!(durations(&exporter), [("tunnel".to_owned(), 1.0), ("websocket".to_owned(), 1.0)]);
    let requests = exposition(&exporter).sum_by("http_requests_total", ["method", "status"]);
    assert_eq!(requests, [(["CONNECT", "200"].map(str::to_owned), 3.0)].into());
}

/// Discards what the client sends, until it closes the tunnel.
async fn tunnel(
    mut request: Request<Incoming>,
) -> Result<http::Response<Empty<Bytes>>, Infallible> {
    let is_guarded = !request.uri().to_string().starts_with("unguarded");
    let guard = if is_guarded { UpgradeGuard::of(&request) } else { UpgradeGuard::default() };
    tokio::spawn(guard.hold(async move {
        if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
            _ = tokio::io::copy(&mut TokioIo::new(upgraded), &mut tokio::io::sink()).await;
        }
    }));
    Ok(http::Response::new(Empty::new()))
}

// F-12c
#[test]
fn each_layer_with_upgrades_counts_the_connection_and_a_layer_without_has_no_such_families() {
    let exporters = [exporter(), exporter(), exporter()];
    let [outer, inner, silent] = &exporters;
    let layer = |exporter: &Exporter, counts| {
        let builder = HttpMetricsLayer::builder(MatchedRoute);
        let builder = if counts { builder.with_upgrades() } else { builder };
        builder.build(&exporter.meter()).expect("the defaults are valid")
    };
    let router = Router::new().route("/chat", any(chat));
    let router =
        router.layer(layer(inner, true)).layer(layer(silent, false)).layer(layer(outer, true));
    let server = Server::axum(router);
    let client = shake_hands(server.address(), "/chat");
    for exporter in [outer, inner] {
        assert_eq!(in_flight(exporter), [("/chat".to_owned(), 1.0)]);
    }
    drop(client);
    for exporter in [outer, inner] {
        assert!(eventually(DEADLINE, || durations(exporter) == [("/chat".to_owned(), 1.0)]));
    }
    assert!(exposition(silent).family(IN_FLIGHT).is_none());
    assert!(exposition(silent).family(DURATION).is_none());
}

/// A WebSocket that has echoed a message, so its server has certainly upgraded it.
fn shake_hands(address: SocketAddr, path: &str) -> TcpStream {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut client = send_bytes(address, &request);
    let head = read_until(&mut client, b"\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    // An empty text message, masked with zeros.
    client.write_all(&[0x81, 0x80, 0, 0, 0, 0]).expect("the server reads");
    let mut echo = [0; 2];
    client.read_exact(&mut echo).expect("the server responds");
    assert_eq!(echo, [0x81, 0]);
    client
}

/// Upgraded connections in flight, by endpoint.
fn in_flight(exporter: &Exporter) -> Vec<(String, f64)> {
    by_endpoint(exposition(exporter).sum_by(IN_FLIGHT, ["endpoint"]))
}

/// Upgraded connections that have ended, by endpoint.
fn durations(exporter: &Exporter) -> Vec<(String, f64)> {
    let mut durations = exposition(exporter).sum_by(&format!("{DURATION}_count"), ["endpoint"]);
    durations.retain(|_, count| *count != 0.0);
    by_endpoint(durations)
}

fn by_endpoint(sums: BTreeMap<[String; 1], f64>) -> Vec<(String, f64)> {
    sums.into_iter().map(|([endpoint], sum)| (endpoint, sum)).collect()
}
