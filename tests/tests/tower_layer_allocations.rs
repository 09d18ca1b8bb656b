//! How many allocations one warm request makes. This binary counts all its allocations.

#[path = "tower_layer_allocations/client.rs"]
mod client;
#[path = "tower_layer_allocations/settings.rs"]
mod settings;

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use allocation_counter::{AllocationInfo, measure};
use asdlc_exporter::Exporter;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{Empty, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer};

type SmallResponse = Response<Full<Bytes>>;

//
#[test]
fn a_warm_request_through_the_layer_allocates_no_more_than_without_it() {
    let exporter = Exporter::builder("under-test").build().expect("the name is valid");
    let layer = HttpMetricsLayer::new(&exporter.meter());
    let bare = allocations(service_fn(respond));
    // The first collection starts the buffering of measurements, so both states are measured.
    for round in 1..=2 {
        let layered = allocations(layer.layer(service_fn(respond)));
        assert_eq!(layered, bare);
        let text = exporter.render().expect("it renders");
        let counted = asdlc_tests::exposition::Exposition::parse(text.as_ref())
            .expect("it renders valid text");
        // Without this an unrecorded request would pass as a cheap one.
        let requests = round * (WARM_UP + MEASURED);
        assert_eq!(counted.sum("http_requests_total"), f64::from(requests));
    }
}

// X-02, F-07: unmatched paths are compared with the prefixes of nested services.
#[test]
fn an_unmatched_request_of_an_axum_router_allocates_no_more_than_without_the_layer() {
    let exporter = Exporter::builder("under-test").build().expect("the name is valid");
    let router = || {
        let nested = service_fn(|_: Request<axum::body::Body>| ready(Ok::<_, Infallible>(())));
        let router = axum::Router::new().route("/", axum::routing::get(async || "a small body"));
        router.nest_service(
            "/static",
            nested.map_response(|()| Response::new(axum::body::Body::empty())),
        )
    };
    let off = router().layer(HttpMetricsLayer::disabled());
    let on = router().layer(HttpMetricsLayer::new(&exporter.meter()));
    let count = |router: &axum::Router, path: &'static str| {
        let request = move || Request::get(path).body(Empty::new()).expect("a request");
        allocations_of(router.clone(), request).count_total
    };
    for path in ["/", "/wp-login.php"] {
        assert_eq!(count(&on, path), count(&off, path), "{path}");
    }
    // The prefix of a nested service is looked up, which allocates.
    assert!(count(&on, "/static/x") > count(&off, "/static/x"));
}

// X-02, F-01: the reader of the trailer frame of a gRPC-Web response is boxed; other calls have no such reader.
#[test]
fn a_warm_grpc_call_adds_no_allocation_and_a_grpc_web_call_adds_one() {
    let exporter = Exporter::builder("under-test").build().expect("the name is valid");
    let layer = HttpMetricsLayer::builder(GrpcMethods::new(["/pkg.Service/Method"]));
    let layer = layer.build(&exporter.meter()).expect("the defaults are valid");
    for (content_type, own) in [("application/grpc", 0), ("application/grpc-web+proto", 1)] {
        let respond = move |_| {
            let mut response = Response::new(Full::new(Bytes::from_static(TRAILERS)));
            let content_type = HeaderValue::from_static(content_type);
            response.headers_mut().insert("content-type", content_type);
            ready(Ok::<_, Infallible>(response))
        };
        let request = || {
            let request = Request::post("/pkg.Service/Method").header("content-type", content_type);
            request.body(Empty::new()).expect("a request")
        };
        let bare = allocations_of(service_fn(respond), request).count_total;
        let layered = allocations_of(layer.layer(service_fn(respond)), request).count_total;
        assert_eq!(layered - bare, own * u64::from(MEASURED), "{content_type}");
    }
    let text = exporter.render().expect("it renders");
    let text = asdlc_tests::exposition::Exposition::parse(text.as_ref()).expect("valid text");
    let ok = text.sum_by("http_requests_total", ["grpc_status"])[&["OK".to_owned()]];
    assert_eq!(ok, f64::from(WARM_UP + MEASURED), "of gRPC-Web");
}

#[test]
fn one_more_allocation_per_request_is_detected() {
    let bare = allocations(service_fn(respond));
    let boxing = allocations(service_fn(|request| Box::pin(respond(request))));
    assert_eq!(boxing.count_total, bare.count_total + u64::from(MEASURED));
}

fn respond(_: Request<Empty<Bytes>>) -> impl Future<Output = Result<SmallResponse, Infallible>> {
    ready(Ok(Response::new(Full::new(Bytes::from_static(b"a small body")))))
}

/// The allocations of [`MEASURED`] requests through `service`, from the call to the end of the response body.
fn allocations<S, B>(service: S) -> AllocationInfo
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body,
{
    allocations_of(service, || Request::new(Empty::new()))
}

fn allocations_of<S, B>(
    mut service: S,
    request: impl Fn() -> Request<Empty<Bytes>>,
) -> AllocationInfo
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body,
{
    for _ in 0..WARM_UP {
        drive(&mut service, request());
    }
    measure(|| {
        for _ in 0..MEASURED {
            drive(&mut service, request());
        }
    })
}

fn drive<S, B>(service: &mut S, request: Request<Empty<Bytes>>)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body,
{
    let context = &mut Context::from_waker(Waker::noop());
    assert!(matches!(service.poll_ready(context), Poll::Ready(Ok(()))));
    let response = poll_once(pin!(service.call(request)), context);
    let Ok(response) = response;
    let mut body = pin!(response.into_body());
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(context) {
        assert!(frame.is_ok());
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>, context: &mut Context<'_>) -> F::Output {
    match future.poll(context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the service responds without waiting"),
    }
}

/// A trailer frame of gRPC-Web.
const TRAILERS: &[u8] = b"\x80\x00\x00\x00\x0fgrpc-status:0\r\n";
const WARM_UP: u32 = 10;
const MEASURED: u32 = 100;
