//! hyper without a router.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread;

use asdlc_exporter::Exporter;
use asdlc_tests::client::Connection;
use asdlc_tests::in_process::Server;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use tower::{Layer, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer, endpoint_fn};

use super::{assert_counted, exporter};

/// 404 for `/missing`, 200 for all other paths.
async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from("a body"));
    if request.uri().path() == "/missing" {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

fn layer_without_endpoints(exporter: &Exporter) -> HttpMetricsLayer {
    let layer = HttpMetricsLayer::builder(endpoint_fn(|_| None)).build(&exporter.meter());
    layer.expect("the settings are valid")
}

fn serve(layer: &HttpMetricsLayer) -> Server {
    Server::hyper(TowerToHyperService::new(layer.layer(service_fn(respond))))
}

// O-02 O-03
#[test]
fn without_a_router_every_request_is_counted_and_no_path_becomes_a_label() {
    let exporter = exporter();
    let server = serve(&layer_without_endpoints(&exporter));
    let mut connection = Connection::open(server.address());
    for path in ["/", "/a?secret=1", "/b/2"] {
        assert_eq!(connection.get(path).body(), "a body");
    }
    assert_eq!(connection.get("/missing").status(), StatusCode::NOT_FOUND);
    assert_eq!(connection.request("HEAD", "/").body(), "");
    assert_eq!(connection.request("BREW", "/pot").status(), StatusCode::OK);
    assert_counted(
        &exporter,
        &[
            (["GET", "_UNMATCHED", "200"], 3),
            (["GET", "_UNMATCHED", "404"], 1),
            (["HEAD", "_UNMATCHED", "200"], 1),
            (["_OTHER", "_UNMATCHED", "200"], 1),
        ],
    );
}

// O-02
#[test]
fn a_service_with_one_endpoint_can_name_it() {
    let exporter = exporter();
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/upload")).build(&exporter.meter());
    let server = serve(&layer.expect("the settings are valid"));
    Connection::open(server.address()).get("/upload?name=x");
    assert_counted(&exporter, &[(["GET", "/upload", "200"], 1)]);
}

// O-07
#[test]
fn concurrent_connections_lose_no_request() {
    const CONNECTIONS: u32 = 8;
    const REQUESTS: u32 = 250;
    let exporter = exporter();
    let server = serve(&layer_without_endpoints(&exporter));
    let drive = |address: SocketAddr| {
        let mut connection = Connection::open(address);
        for _ in 0..REQUESTS {
            connection.get("/");
            connection.get("/missing");
        }
    };
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| drive(server.address()));
        }
    });
    assert_counted(
        &exporter,
        &[
            (["GET", "_UNMATCHED", "200"], CONNECTIONS * REQUESTS),
            (["GET", "_UNMATCHED", "404"], CONNECTIONS * REQUESTS),
        ],
    );
}
