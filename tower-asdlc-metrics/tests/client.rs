//! The layer around a client: each ending once, and hosts from a bounded set.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Metrics, Script, Step};
use http::{Request, Response};
use http_body::Body;
use std::future::{Future, pending, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{
    ClientErrorType, Conventions, HttpClientMetricsLayer, HttpClientMetricsLayerBuilder,
    endpoint_fn,
};

const URI: &str = "http://artifacts:8080/report";

fn both() -> HttpClientMetricsLayerBuilder {
    HttpClientMetricsLayer::builder().with_conventions(Conventions::Both)
}

fn request(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

/// How far the caller reads the body of the response.
#[derive(Clone, Copy)]
enum Read {
    All,
    OneFrame,
    Nothing,
}

/// Sends a request to a service that returns this result.
fn send<E: 'static>(
    layer: &HttpClientMetricsLayer,
    uri: &str,
    respond: impl Fn() -> Result<Response<Script>, E>,
    read: Read,
) {
    let service = service_fn(|_: Request<()>| ready(respond()));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(result) = pin!(layer.layer(service).call(request(uri))).poll(&mut cx) else {
        panic!("no result")
    };
    let Ok(response) = result else { return };
    let mut body = pin!(response.into_body());
    let frames = match read {
        Read::All => usize::MAX,
        Read::OneFrame => 1,
        Read::Nothing => 0,
    };
    for _ in 0..frames {
        let Poll::Ready(Some(Ok(_))) = body.as_mut().poll_frame(&mut cx) else { return };
    }
}

fn respond(
    status: u16,
    steps: impl Fn() -> Vec<Step>,
) -> impl Fn() -> Result<Response<Script>, io::Error> {
    move || Ok(Response::builder().status(status).body(Script::new(steps())).unwrap())
}

fn sums(metrics: &Metrics, name: &str) -> Vec<(String, i64)> {
    metrics.sums(name).into_iter().collect()
}

fn counts(metrics: &Metrics, name: &str) -> Vec<(String, u64)> {
    let latencies = metrics.latencies(name).into_iter();
    latencies.map(|(labels, latency)| (labels, latency.count)).collect()
}

//
#[test]
fn each_ending_is_recorded_once() {
    let data = || vec![Step::Data("a"), Step::Data("b")];
    let broken = || vec![Step::Data("a"), Step::Fail];
    let io_error = |kind: io::ErrorKind| move || Err::<Response<Script>, _>(io::Error::from(kind));
    type Call = Box<dyn Fn(&HttpClientMetricsLayer)>;
    let sends: [(Call, &str, Option<&str>, Option<&str>); 13] = [
        (Box::new(move |layer| send(layer, URI, respond(200, data), Read::All)), "200", None, None),
        (
            Box::new(move |layer| send(layer, URI, respond(404, data), Read::All)),
            "404",
            Some("client_error"),
            Some("404"),
        ),
        (
            Box::new(move |layer| send(layer, URI, respond(503, data), Read::All)),
            "503",
            Some("server_error"),
            Some("503"),
        ),
        (
            Box::new(move |layer| send(layer, URI, respond(200, data), Read::OneFrame)),
            "200",
            Some("aborted"),
            Some("aborted"),
        ),
        (
            Box::new(move |layer| send(layer, URI, respond(200, data), Read::Nothing)),
            "200",
            None,
            None,
        ),
        (
            Box::new(move |layer| send(layer, URI, respond(200, broken), Read::All)),
            "200",
            Some("body_error"),
            Some("body_error"),
        ),
        (
            Box::new(move |layer| {
                send(layer, URI, io_error(io::ErrorKind::ConnectionRefused), Read::All);
            }),
            "_NONE",
            Some("connect_error"),
            Some("connect_error"),
        ),
        (
            Box::new(move |layer| send(layer, URI, io_error(io::ErrorKind::TimedOut), Read::All)),
            "_NONE",
            Some("timeout"),
            Some("timeout"),
        ),
        (
            Box::new(move |layer| {
                send(layer, URI, io_error(io::ErrorKind::ConnectionReset), Read::All);
            }),
            "_NONE",
            Some("reset"),
            Some("reset"),
        ),
        // A boxed error need not implement `Error`.
        (
            Box::new(|layer| {
                let error = || {
                    Err::<Response<Script>, Box<dyn std::error::Error + Send + Sync>>(
                        io::Error::from(io::ErrorKind::TimedOut).into(),
                    )
                };
                send(layer, URI, error, Read::All);
            }),
            "_NONE",
            Some("timeout"),
            Some("timeout"),
        ),
        // Nothing is known of this error.
        (
            Box::new(|layer| send(layer, URI, || Err::<Response<Script>, _>("unknown"), Read::All)),
            "_NONE",
            Some("service_error"),
            Some("service_error"),
        ),
        (
            Box::new(|layer| {
                let never =
                    service_fn(|_: Request<()>| pending::<Result<Response<Script>, io::Error>>());
                let mut future = Box::pin(layer.layer(never).call(request(URI)));
                assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }),
            "_NONE",
            Some("cancelled"),
            Some("cancelled"),
        ),
        (
            Box::new(|layer| {
                let panics = service_fn(|_: Request<()>| async {
                    panic!("on purpose") as Result<Response<Script>, io::Error>
                });
                let mut future = Box::pin(layer.layer(panics).call(request(URI)));
                let poll = || _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
            }),
            "_NONE",
            Some("panic"),
            Some("panic"),
        ),
    ];
    for (send, status, error_type, semantic_error) in sends {
        let metrics = Metrics::new();
        let layer = both().with_active_requests().build(&metrics.meter()).unwrap();
        send(&layer);
        let labels = |error: Option<&str>| {
            let error = error.map(|error| format!("error_type={error},")).unwrap_or_default();
            format!("{error}host=artifacts:8080,method=GET,status={status}")
        };
        assert_eq!(sums(&metrics, "http_client_requests"), [(labels(None), 1)]);
        let failed: Vec<_> = error_type.map(|error| (labels(Some(error)), 1)).into_iter().collect();
        assert_eq!(
            sums(&metrics, "http_client_requests_failed"),
            failed,
            "{status} {error_type:?}"
        );
        let latency = [("host=artifacts:8080,method=GET".to_owned(), 1)];
        assert_eq!(counts(&metrics, "http_client_request_duration"), latency);
        let (code, version) = match status {
            "_NONE" => (String::new(), ""),
            status => {
                (format!("http.response.status_code={status},"), "network.protocol.version=1.1,")
            }
        };
        let error = semantic_error.map(|error| format!("error.type={error},")).unwrap_or_default();
        let semantic = format!(
            "{error}http.request.method=GET,{code}{version}server.address=artifacts,server.port=8080"
        );
        assert_eq!(counts(&metrics, "http.client.request.duration"), [(semantic, 1)]);
        for gauge in ["http_client_requests_in_flight", "http.client.active_requests"] {
            assert_eq!(metrics.sums_with_zeros(gauge).into_values().collect::<Vec<_>>(), [0]);
        }
    }
}

//
#[test]
fn a_crawler_does_not_create_a_series_for_each_host() {
    let metrics = Metrics::new();
    let layer = both().with_max_hosts(2).with_active_requests().build(&metrics.meter()).unwrap();
    for i in 0..1_000 {
        let uri = format!("http://host{i}.example/");
        send(&layer, &uri, respond(200, Vec::new), Read::All);
    }
    let expected = [("_OTHER", 998), ("host0.example", 1), ("host1.example", 1)]
        .map(|(host, count)| (format!("host={host},method=GET,status=200"), count));
    assert_eq!(sums(&metrics, "http_client_requests"), expected);
    let in_flight = metrics.sums_with_zeros("http_client_requests_in_flight");
    assert_eq!(in_flight.into_values().collect::<Vec<_>>(), [0, 0, 0]);
    assert_eq!(metrics.sums_with_zeros("http.client.active_requests").len(), 3);
}

//
#[test]
fn requests_in_flight_are_counted_by_host() {
    let metrics = Metrics::new();
    let layer = HttpClientMetricsLayer::new(&metrics.meter());
    let never = service_fn(|_: Request<()>| pending::<Result<Response<Script>, io::Error>>());
    let hold = |uri| {
        let mut future = Box::pin(layer.layer(never).call(request(uri)));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        future
    };
    let held: Vec<_> = ["http://a/", "http://a/", "http://b:1/"].map(hold).into();
    let expected =
        |a, b| [("host=a,method=GET".to_owned(), a), ("host=b:1,method=GET".to_owned(), b)];
    let in_flight = || metrics.sums_with_zeros("http_client_requests_in_flight");
    assert!(in_flight().into_iter().eq(expected(2, 1)));
    drop(held);
    assert!(in_flight().into_iter().eq(expected(0, 0)));
}

//
#[test]
fn beyond_the_series_limit_requests_to_a_new_host_are_in_flight_too() {
    let metrics = Metrics::new();
    let layer = both().with_max_series(1).with_active_requests().build(&metrics.meter()).unwrap();
    for uri in ["http://a/", "http://b/"] {
        send(&layer, uri, respond(200, Vec::new), Read::All);
    }
    let never = service_fn(|_: Request<()>| pending::<Result<Response<Script>, io::Error>>());
    let mut held = Box::pin(layer.layer(never).call(request("http://c/")));
    assert!(held.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    for gauge in ["http_client_requests_in_flight", "http.client.active_requests"] {
        assert_eq!(metrics.sums(gauge).into_values().collect::<Vec<_>>(), [1], "{gauge}");
    }
}

//
#[cfg(feature = "axum")]
#[test]
fn a_proxy_excludes_requests_by_the_path_that_it_sends() {
    let metrics = Metrics::new();
    let builder = HttpClientMetricsLayer::builder().without_paths(["/received"]);
    let layer = builder.build(&metrics.meter()).unwrap();
    let mut request = request("http://artifacts/sent");
    let received = axum::extract::OriginalUri("/received".parse().unwrap());
    request.extensions_mut().insert(received);
    let service = service_fn(|_: Request<()>| ready(respond(200, Vec::new)()));
    let future = pin!(layer.layer(service).call(request));
    assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(metrics.sums("http_client_requests").into_values().sum::<i64>(), 1);
}

//
#[test]
fn an_endpoint_is_the_template_of_the_url_and_the_method_of_a_call() {
    let metrics = Metrics::new();
    let layer = both()
        .with_endpoint(endpoint_fn(|head| match head.uri().path() {
            "/pkg.Service/Method" => Some("/pkg.Service/Method"),
            _ => Some("/artifacts/{name}"),
        }))
        .with_default_host("https://inventory")
        .build(&metrics.meter())
        .unwrap();
    send(&layer, "http://artifacts:8080/artifacts/1", respond(200, Vec::new), Read::All);
    let service = service_fn(|_: Request<()>| {
        let response = Response::builder().header("grpc-status", "5");
        ready(Ok::<_, io::Error>(response.body(Script::new([])).unwrap()))
    });
    let call = Request::post("/pkg.Service/Method").header("content-type", "application/grpc");
    let future = pin!(layer.layer(service).call(call.body(()).unwrap()));
    let Poll::Ready(Ok(response)) = future.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("no response")
    };
    _ = pin!(response.into_body()).poll_frame(&mut Context::from_waker(Waker::noop()));
    let expected = [
        "endpoint=/artifacts/{name},host=artifacts:8080,method=GET,status=200",
        "endpoint=/pkg.Service/Method,grpc_status=NOT_FOUND,host=inventory,method=POST,status=200",
    ];
    assert_eq!(
        sums(&metrics, "http_client_requests"),
        expected.map(|labels| (labels.to_owned(), 1))
    );
    let template = "http.request.method=GET,http.response.status_code=200,network.protocol.version=1.1,server.address=artifacts,server.port=8080,url.template=/artifacts/{name}";
    assert_eq!(counts(&metrics, "http.client.request.duration"), [(template.to_owned(), 1)]);
    let call = "error.type=NOT_FOUND,rpc.method=pkg.Service/Method,rpc.response.status_code=NOT_FOUND,rpc.system.name=grpc,server.address=inventory,server.port=443";
    assert_eq!(counts(&metrics, "rpc.client.call.duration"), [(call.to_owned(), 1)]);
}

//
#[test]
fn the_application_decides_about_errors_of_its_own() {
    let metrics = Metrics::new();
    let layer = HttpClientMetricsLayer::builder()
        .with_error_type(|error: &io::Error| {
            (error.kind() == io::ErrorKind::Other).then_some(ClientErrorType::Connect)
        })
        .build(&metrics.meter())
        .unwrap();
    let error = || Err::<Response<Script>, _>(io::Error::other("the pool is empty"));
    send(&layer, URI, error, Read::All);
    let expected = "error_type=connect_error,host=artifacts:8080,method=GET,status=_NONE";
    assert_eq!(sums(&metrics, "http_client_requests_failed"), [(expected.to_owned(), 1)]);
}

//
#[test]
fn a_layer_that_is_off_records_nothing_and_has_the_same_type() {
    let metrics = Metrics::new();
    for layer in [HttpClientMetricsLayer::disabled(), HttpClientMetricsLayer::new(&metrics.meter())]
    {
        send(&layer, URI, respond(200, Vec::new), Read::All);
    }
    assert_eq!(metrics.sums("http_client_requests").into_values().sum::<i64>(), 1);
}
