//! Bare hyper with HTTP/2: requests share a connection, and each of them ends by itself.

use std::convert::Infallible;

use asdlc_tests::wait::{DEADLINE, eventually};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use tower::{Layer, service_fn};
use tower_asdlc_metrics::{HttpMetricsLayer, endpoint_fn};

use super::bodies::Held;
use super::{assert_counted, exporter, exposition, http2_connection};

//
#[test]
fn a_stream_that_is_reset_is_one_request_and_leaves_the_others_alone() {
    let exporter = exporter();
    let layer = HttpMetricsLayer::builder(endpoint_fn(|head| match head.uri().path() {
        path @ ("/held" | "/good") => Some(path),
        _ => None,
    }))
    .build(&exporter.meter())
    .expect("the defaults are valid");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    runtime.block_on(async {
        let address = http2_connection::serve(layer.layer(service_fn(answer))).await;
        let mut client = http2_connection::connect(address).await;
        let mut get = async |path: &str| {
            let request = Request::get(format!("http://{address}{path}"));
            let request = request.body(Empty::<Bytes>::new()).expect("a request");
            client.ready().await.expect("it is open");
            client.send_request(request).await.expect("it answers")
        };
        let mut held = get("/held").await;
        held.frame().await.expect("a first frame").expect("it comes");
        for _ in 0..3 {
            get("/good").await.into_body().collect().await.expect("it ends");
        }
        let in_flight = || exposition(&exporter).sum("http_requests_in_flight") == 1.0;
        assert!(eventually(DEADLINE, in_flight), "the held one");
        // The stream is reset, the connection goes on.
        drop(held);
        get("/good").await.into_body().collect().await.expect("it ends");
        let none = || exposition(&exporter).sum("http_requests_in_flight") == 0.0;
        assert!(eventually(DEADLINE, none));
    });
    assert_counted(&exporter, &[(["GET", "/good", "200"], 4), (["GET", "/held", "200"], 1)]);
    let failed = exposition(&exporter).sum_by("http_requests_failed_total", ["error_type"]);
    assert_eq!(failed.into_iter().collect::<Vec<_>>(), [(["aborted".to_owned()], 1.0)]);
}

/// `/held` begins and does not end.
async fn answer(
    request: Request<Incoming>,
) -> Result<Response<http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    Ok(Response::new(if request.uri().path() == "/held" {
        let (release, body) = Held::new();
        // Never released.
        std::mem::forget(release);
        body.boxed_unsync()
    } else {
        http_body_util::Full::from("good").boxed_unsync()
    }))
}
