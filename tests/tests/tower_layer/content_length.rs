//! Bodies that are shorter or longer than their `Content-Length` or their exact size.

use std::collections::BTreeMap;
use std::convert::Infallible;

use asdlc_exporter::Exporter;
use asdlc_tests::client::exchange_bytes;
use asdlc_tests::in_process::Server;
use asdlc_tests::wait::{DEADLINE, eventually};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use tokio::runtime::Runtime;
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{HttpMetricsLayer, ResponseBody, endpoint_fn};

use super::bodies::Frames;
use super::{exporter, exposition, http2_connection, in_flight};

// F-03
#[test]
fn over_http_1_a_body_shorter_or_longer_than_declared_is_a_failure() {
    let exporter = exporter();
    let server = Server::hyper(TowerToHyperService::new(service(&exporter)));
    for (method, path, _) in CASES {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        let response = exchange_bytes(server.address(), request.as_bytes());
        if path == "/long-in-frames" {
            assert!(response.ends_with(b"\r\n\r\n01234"), "{}", String::from_utf8_lossy(&response));
        }
    }
    // The server stops after the declared length, so the client got everything that was declared.
    assert_failed(&exporter, &["/long-in-frames"]);
}

// F-03
#[test]
fn over_http_2_a_body_shorter_or_longer_than_declared_is_a_failure() {
    let exporter = exporter();
    let runtime = Runtime::new().expect("a runtime can be built");
    runtime.block_on(async {
        for (method, path, _) in CASES {
            let address = http2_connection::serve(service(&exporter)).await;
            let mut client = http2_connection::connect(address).await;
            let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
            let request = request.body(Empty::new()).expect("a request");
            // The client may see a wrong length as an error of the response or of the body.
            if let Ok(response) = client.send_request(request).await {
                _ = response.into_body().collect().await;
            }
        }
    });
    assert_failed(&exporter, &[]);
}

/// Method, path, and whether the body has the declared length.
const CASES: [(&str, &str, bool); 12] = [
    ("GET", "/as-declared", true),
    ("GET", "/undeclared", true),
    ("GET", "/empty-as-declared", true),
    ("HEAD", "/short", true),
    ("HEAD", "/contradicted", true),
    ("GET", "/not-modified", true),
    ("GET", "/short", false),
    ("GET", "/long", false),
    ("GET", "/long-in-frames", false),
    ("GET", "/short-of-its-size", false),
    // F-03, a neighbour: an empty body is never polled.
    ("GET", "/empty", false),
    // F-03, a neighbour: the body knows its length, and the header has another one.
    ("GET", "/contradicted", false),
];

#[track_caller]
fn assert_failed(exporter: &Exporter, except: &[&str]) {
    let count = CASES.len() as f64;
    let all = || exposition(exporter).sum("http_requests_total") == count;
    assert!(eventually(DEADLINE, all), "{}", exposition(exporter).sum("http_requests_total"));
    let wrong = |(_, path, is_right): &(_, &str, _)| !is_right && !except.contains(path);
    let expected: BTreeMap<_, _> = CASES
        .into_iter()
        .filter(wrong)
        .map(|(method, path, _)| {
            ([method, path, "content_length_mismatch"].map(str::to_owned), 1.0)
        })
        .collect();
    let labels = ["method", "endpoint", "error_type"];
    assert_eq!(exposition(exporter).sum_by("http_requests_failed_total", labels), expected);
    assert_eq!(in_flight(exporter), 0.0);
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

fn service(
    exporter: &Exporter,
) -> impl Service<
    Request<Incoming>,
    Response = Response<ResponseBody<Body>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let layer = HttpMetricsLayer::builder(endpoint_fn(|head| Some(head.uri().path())))
        .build(&exporter.meter());
    layer.expect("the defaults are valid").layer(service_fn(respond))
}

async fn respond(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let frames = |frames: &[&'static str]| Frames::data(frames).boxed_unsync();
    let (declared, body) = match request.uri().path() {
        "/as-declared" => ("10", frames(&["01234", "56789"])),
        "/undeclared" => ("", frames(&["01234", "56789"])),
        "/empty-as-declared" => ("0", Empty::new().boxed_unsync()),
        "/not-modified" => ("100", Empty::new().boxed_unsync()),
        "/short" => ("100", frames(&["0123456789"])),
        "/long" => ("5", frames(&["0123456789"])),
        "/long-in-frames" => ("5", frames(&["01234", "56789"])),
        "/short-of-its-size" => ("", Frames::data(&["01234"]).with_size(10).boxed_unsync()),
        "/empty" => ("10", Empty::new().boxed_unsync()),
        // Only the HEAD response has this header on the wire: hyper panics in a debug build when the header contradicts the body.
        "/contradicted" => ("100", Full::from("0123456789").boxed_unsync()),
        other => panic!("{other} is not one of the cases"),
    };
    let mut response = Response::new(body);
    if request.uri().path() == "/not-modified" {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    if !declared.is_empty() {
        response.headers_mut().insert("content-length", declared.parse().expect("a number"));
    }
    // As routers do. In a debug build hyper checks that a response to HEAD has no body.
    if request.method() == Method::HEAD {
        *response.body_mut() = Empty::new().boxed_unsync();
    }
    Ok(response)
}
