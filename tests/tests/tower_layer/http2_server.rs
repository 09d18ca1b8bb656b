//! hyper with HTTP/2: requests share a connection and end independently.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use tower::{Layer, service_fn};
use tower_asdlc_metrics::{HttpMetricsLayer, endpoint_fn};

use super::bodies::Frames;
use super::{assert_counted, await_in_flight, exporter, failed_by_type, http2_connection};

//
#[test]
fn a_stream_that_is_reset_is_one_request_and_does_not_affect_the_others() {
    let exporter = exporter();
    let layer = HttpMetricsLayer::builder(endpoint_fn(|head| match head.uri().path() {
        path @ ("/held" | "/good") => Some(path),
        _ => None,
    }))
    .build(&exporter.meter())
    .expect("the defaults are valid");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    runtime.block_on(async {
        let address = http2_connection::serve(layer.layer(service_fn(respond))).await;
        let mut client = http2_connection::connect(address).await;
        let mut get = async |path: &str| {
            let request = Request::get(format!("http://{address}{path}"));
            let request = request.body(Empty::<Bytes>::new()).expect("a request");
            client.ready().await.expect("the connection is open");
            client.send_request(request).await.expect("the server responds")
        };
        let mut held = get("/held").await;
        held.frame().await.expect("there is a first frame").expect("it arrives");
        for _ in 0..3 {
            get("/good").await.into_body().collect().await.expect("the body ends");
        }
        // The held request.
        await_in_flight(&exporter, 1.0);
        // This resets the stream, and the connection stays open.
        drop(held);
        get("/good").await.into_body().collect().await.expect("the body ends");
        await_in_flight(&exporter, 0.0);
    });
    assert_counted(&exporter, &[(["GET", "/good", "200"], 4), (["GET", "/held", "200"], 1)]);
    assert_eq!(failed_by_type(&exporter), [("aborted".to_owned(), 1.0)]);
}

/// The response to `/held` begins and does not end.
async fn respond(
    request: Request<Incoming>,
) -> Result<Response<http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    Ok(Response::new(if request.uri().path() == "/held" {
        Frames::never_ending().boxed_unsync()
    } else {
        http_body_util::Full::from("good").boxed_unsync()
    }))
}
