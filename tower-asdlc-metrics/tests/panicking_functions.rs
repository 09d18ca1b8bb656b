//! Functions of the application that panic.

mod common;

use common::{Metrics, Script};
use http::{Request, Response};
use http_body_util::BodyExt;
use std::convert::Infallible;
use std::panic::resume_unwind;
use tower::{Layer, ServiceExt, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer, endpoint_fn};

fn panics<T>() -> T {
    // Without the message of the panic hook.
    resume_unwind(Box::new("on purpose"))
}

//
#[tokio::test]
async fn an_endpoint_label_or_exclusion_function_that_panics_does_not_fail_the_request() {
    for (layer, labels) in [
        (
            HttpMetricsLayer::builder(endpoint_fn(|_| panics())),
            "endpoint=_UNMATCHED,method=GET,status=200",
        ),
        (
            HttpMetricsLayer::builder(FixedEndpoint("/x"))
                .with_label("plan", ["free"], |_| panics()),
            "endpoint=/x,method=GET,plan=_OTHER,status=200",
        ),
        (
            HttpMetricsLayer::builder(FixedEndpoint("/x")).without_requests(|_| panics()),
            "endpoint=/x,method=GET,status=200",
        ),
    ] {
        let metrics = Metrics::new();
        let inner = service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Script::default()))
        });
        let service = layer.build(&metrics.meter()).unwrap().layer(inner);
        let response = service.oneshot(Request::new(())).await.unwrap();
        response.into_body().collect().await.unwrap();
        let counted: Vec<_> = metrics.sums("http_requests_total").into_iter().collect();
        assert_eq!(counted, [(labels.to_owned(), 1)]);
    }
}
