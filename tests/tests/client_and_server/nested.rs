//! Client layers around and inside of each other, of retries, and of a server.

use crate::measured::{Measured, Points};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::{any, get};
use http::uri::Uri;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::net::TcpListener;
use tower::retry::{Policy, RetryLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_asdlc_metrics::{
    Conventions, HttpClientMetrics, HttpClientMetricsLayer, HttpMetricsLayer, endpoint_fn,
};

/// Sends a request again as long as the response has a 5xx.
#[derive(Clone)]
struct RetryServerErrors;

type Bare = http::Request<Empty<&'static [u8]>>;

impl<B> Policy<Bare, http::Response<B>, Infallible> for RetryServerErrors {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Bare,
        result: &mut Result<http::Response<B>, Infallible>,
    ) -> Option<Ready<()>> {
        let is_failed = result.as_ref().is_ok_and(|response| response.status().is_server_error());
        is_failed.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Bare) -> Option<Bare> {
        let clone = http::Request::get(request.uri()).body(Empty::new());
        Some(clone.expect("the parts of a request"))
    }
}

//
#[tokio::test]
async fn outside_of_retries_a_layer_counts_the_request_and_inside_each_attempt() {
    let (mut outside, mut inside) = (Measured::new(), Measured::new());
    let attempts = Arc::new(AtomicU32::new(0));
    let flaky = service_fn(move |_: Bare| {
        let status = if attempts.fetch_add(1, Ordering::Relaxed) < 2 { 503 } else { 200 };
        let response = http::Response::builder().status(status).body(Empty::<&[u8]>::new());
        ready(Ok::<_, Infallible>(response.expect("a response")))
    });
    let client = ServiceBuilder::new()
        .layer(client_layer(&outside))
        .layer(RetryLayer::new(RetryServerErrors))
        .layer(client_layer(&inside))
        .service(flaky);
    let request = http::Request::get("http://artifacts:8080/a").body(Empty::new());
    let Ok(response) = client.oneshot(request.expect("a request")).await;
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.expect("the body is empty");

    assert_eq!(by_status(&outside.points()), [counts("", "200", 1)].concat());
    assert_eq!(
        by_status(&inside.points()),
        [counts("", "200", 1), counts("503", "503", 2)].concat()
    );
}

// each of two layers with one meter counts the request.
#[tokio::test]
async fn two_layers_around_each_other_count_a_request_twice() {
    let mut measured = Measured::new();
    let respond = |_: Bare| ready(Ok::<_, Infallible>(http::Response::new(Empty::<&[u8]>::new())));
    let layer = client_layer(&measured);
    let client = layer.layer(layer.layer(service_fn(respond)));
    let request = http::Request::get("http://artifacts:8080/a").body(Empty::new());
    let Ok(response) = client.oneshot(request.expect("a request")).await;
    response.into_body().collect().await.expect("the body is empty");
    assert_eq!(by_status(&measured.points()), counts("", "200", 2));
}

// the extensions of the server's request are sent on with it.
#[tokio::test]
async fn a_proxy_has_the_uri_of_the_request_that_it_receives_and_its_client_that_of_the_one_it_sends()
 {
    let [mut front, mut client, mut upstream] = [(); 3].map(|()| Measured::new());
    let server_layer = |measured: &Measured| {
        let builder = HttpMetricsLayer::builder(endpoint_fn(template));
        let builder = builder.with_conventions(Conventions::Both);
        builder.build(&measured.provider).expect("the settings are valid")
    };
    let router = Router::new().route("/upstream/{id}", get(async || "an item"));
    let upstream_address = serve(router.layer(server_layer(&upstream))).await;
    let forward = Forward { client: proxy_client(&client), upstream: upstream_address };
    // Inside of a nest, the URI of the request has no prefix, and axum keeps the original one.
    let nested = Router::new().route("/{id}", any(forward_request)).with_state(forward);
    let router = Router::new().nest("/front", nested).layer(server_layer(&front));
    let front_address = serve(router).await;

    let caller = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let uri = format!("http://{front_address}/front/7");
    let response = caller.request(http::Request::get(uri).body(Body::empty()).expect("a request"));
    let body = response.await.expect("the proxy responds").into_body().collect().await;
    assert_eq!(body.expect("it ends").to_bytes(), "an item");

    let host = upstream_address.to_string();
    let series = |points: &Points, name: &str, keys: [&str; 3]| {
        let series = points.iter().filter(|((of, _), _)| of == name);
        let labels = |labels: &crate::measured::Labels| {
            keys.map(|key| labels.get(key).cloned().unwrap_or_default())
        };
        series.map(|((_, of), count)| (labels(of), *count)).collect::<Vec<_>>()
    };
    let points = client.points();
    let requests = series(&points, "http_client_requests", ["endpoint", "host", "status"]);
    assert_eq!(requests, [(["/upstream/{id}", &host, "200"].map(str::to_owned), 1)]);
    let keys = ["url.template", "server.port", "http.response.status_code"];
    let port = upstream_address.port().to_string();
    let requests = series(&points, "http.client.request.duration", keys);
    assert_eq!(requests, [(["/upstream/{id}", &port, "200"].map(str::to_owned), 1)]);
    for (measured, endpoint) in [(&mut front, "/front/{id}"), (&mut upstream, "/upstream/{id}")] {
        let points = measured.points();
        let requests = series(&points, "http_requests", ["endpoint", "method", "status"]);
        assert_eq!(requests, [([endpoint, "GET", "200"].map(str::to_owned), 1)]);
        let keys = ["http.route", "http.request.method", "http.response.status_code"];
        let requests = series(&points, "http.server.request.duration", keys);
        assert_eq!(requests, [([endpoint, "GET", "200"].map(str::to_owned), 1)]);
    }
}

#[derive(Clone)]
struct Forward {
    client: HttpClientMetrics<Client<HttpConnector, Body>>,
    upstream: SocketAddr,
}

async fn forward_request(
    State(forward): State<Forward>,
    mut request: Request,
) -> http::Response<Body> {
    let Forward { mut client, upstream } = forward;
    let uri: Uri =
        format!("http://{upstream}/upstream{}", request.uri().path()).parse().expect("a URI");
    *request.uri_mut() = uri;
    let client = client.ready().await.expect("it is ready");
    client.call(request).await.expect("the upstream responds").map(Body::new)
}

fn proxy_client(measured: &Measured) -> HttpClientMetrics<Client<HttpConnector, Body>> {
    let builder = HttpClientMetricsLayer::builder().with_endpoint(endpoint_fn(template));
    let layer = builder.with_conventions(Conventions::Both).build(&measured.provider);
    let client = Client::builder(TokioExecutor::new()).build_http();
    layer.expect("the settings are valid").layer(client)
}

fn template(head: tower_asdlc_metrics::RequestHead<'_>) -> Option<&str> {
    let path = head.uri().path();
    if path.starts_with("/front/") {
        Some("/front/{id}")
    } else {
        path.starts_with("/upstream/").then_some("/upstream/{id}")
    }
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a listener has an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn client_layer(measured: &Measured) -> HttpClientMetricsLayer {
    let builder = HttpClientMetricsLayer::builder().with_conventions(Conventions::Both);
    builder.build(&measured.provider).expect("the settings are valid")
}

/// The requests in both conventions, by their error type in OpenTelemetry's and their status.
fn by_status(points: &Points) -> Vec<(&str, String, String, i64)> {
    let of = |name: &'static str, status: &'static str| {
        let points = points.iter().filter(move |((of, _), _)| of == name);
        points.map(move |((_, labels), count)| {
            let get = |key: &str| labels.get(key).cloned().unwrap_or_default();
            (name, get("error.type"), get(status), *count)
        })
    };
    let requests = of("http_client_requests", "status");
    let mut all: Vec<_> =
        requests.chain(of("http.client.request.duration", "http.response.status_code")).collect();
    all.sort_by(|left, right| (&left.2, left.0).cmp(&(&right.2, right.0)));
    all
}

fn counts(error: &str, status: &str, count: i64) -> Vec<(&'static str, String, String, i64)> {
    vec![
        ("http.client.request.duration", error.to_owned(), status.to_owned(), count),
        ("http_client_requests", String::new(), status.to_owned(), count),
    ]
}
