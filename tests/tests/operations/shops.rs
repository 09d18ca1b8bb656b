//! Services that record their requests in both naming conventions, and are not among the example programs.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Future, Ready, pending, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use asdlc_exporter::Exporter;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process::Server;
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{Conventions, Endpoint, GrpcMethods, HttpMetricsLayer, endpoint_fn};

use super::scraping::every_second;

/// Two services: `shop` without a namespace, and `named-shop` with the namespace `asdlc`. All [`REQUESTS`] end between two scrapes,
/// so that each scrape has the same proportions.
pub(crate) struct Shops {
    services: Arc<Mutex<[Shop; 2]>>,
    servers: [Server; 2],
}

/// A service and its metrics.
struct Shop {
    exporter: Exporter,
    layer: HttpMetricsLayer,
}

impl Shops {
    /// Starts the services. They have ended their requests once.
    pub(crate) fn start() -> Self {
        let services = [
            Shop::new(Exporter::builder("shop").build()),
            Shop::new(Exporter::builder("named-shop").with_namespace("asdlc").build()),
        ];
        services.iter().for_each(Shop::drive);
        let services = Arc::new(Mutex::new(services));
        let servers = [0, 1].map(|index| {
            let services = Arc::clone(&services);
            let metrics = async move || {
                let services = services.lock().expect("no holder panics");
                services[index].exporter.render().expect("it renders").into_bytes()
            };
            Server::axum(Router::new().route("/metrics", get(metrics)))
        });
        Self { services, servers }
    }

    /// Ends all requests again.
    pub(crate) fn drive(&self) {
        self.services.lock().expect("no holder panics").iter().for_each(Shop::drive);
    }

    /// A scrape configuration with one job.
    pub(crate) fn config(&self) -> String {
        let mut config = json!({ "scrape_configs": [self.job()] });
        every_second(&mut config);
        config.to_string()
    }

    /// The job that scrapes both services.
    pub(crate) fn job(&self) -> Value {
        let targets = self.servers.each_ref().map(Server::address);
        json!({
            "job_name": "shops",
            "honor_labels": true,
            "static_configs": [{ "targets": targets }],
        })
    }

    /// The names of all samples, without namespace.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let services = self.services.lock().expect("no holder panics");
        let page = services[0].exporter.render().expect("it renders");
        let page = Exposition::parse(page.as_ref()).expect("it renders valid text");
        page.all_samples().iter().map(|sample| sample.name.clone()).collect()
    }
}

impl Shop {
    fn new(exporter: Result<Exporter, asdlc_exporter::BuildError>) -> Self {
        let exporter = exporter.expect("the name is valid");
        let routes = endpoint_fn(|head| {
            head.uri().path().starts_with("/items/").then_some("/items/{status}")
        });
        let layer = HttpMetricsLayer::builder(GrpcMethods::new(["/shop.Items/Get"]).or(routes))
            .with_conventions(Conventions::Both)
            .with_active_requests()
            .build(&exporter)
            .expect("the settings are valid");
        Self { exporter, layer }
    }

    fn drive(&self) {
        for (times, ending, path) in REQUESTS {
            for _ in 0..times {
                self.end(ending, path);
            }
        }
    }

    /// Sends one request that ends like this.
    fn end(&self, ending: Ending, path: &str) {
        let request = Request::builder().uri(path);
        let request = match ending {
            Ending::Grpc(_) => request.method("POST").header("content-type", "application/grpc"),
            Ending::Status(_) | Ending::Cancelled => request.method("GET"),
        };
        let request = request.body(()).expect("a valid request");
        let respond = service_fn(move |_: Request<()>| respond(ending));
        let never =
            service_fn(|_: Request<()>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
        let mut context = Context::from_waker(Waker::noop());
        if ending == Ending::Cancelled {
            let future = pin!(self.layer.layer(never).call(request));
            assert!(future.poll(&mut context).is_pending());
            return;
        }
        let future = pin!(self.layer.layer(respond).call(request));
        let Poll::Ready(Ok(response)) = future.poll(&mut context) else { panic!("no response") };
        let mut body = pin!(response.into_body());
        while let Poll::Ready(Some(Ok(_))) = body.as_mut().poll_frame(&mut context) {}
    }
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// With a complete response of this status.
    Status(u16),
    /// As a gRPC call with this status.
    Grpc(&'static str),
    /// By a client that leaves before there is a response.
    Cancelled,
}

fn respond(ending: Ending) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let response = match ending {
        Ending::Status(status) => Response::builder().status(status).body(Full::from("body")),
        // In the headers, because there is no message.
        Ending::Grpc(status) => Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", status)
            .body(Full::default()),
        Ending::Cancelled => unreachable!("it has no response"),
    };
    ready(Ok(response.expect("a valid response")))
}

/// The share of [`REQUESTS`] that counts against the objective.
pub(crate) const ERRORS: f64 = 0.2;

/// The share that has no route and is not a gRPC call.
pub(crate) const UNMATCHED: f64 = 0.1;

/// 100 requests.
const REQUESTS: [(u32, Ending, &str); 8] = [
    (52, Ending::Status(200), "/items/200"),
    (10, Ending::Status(404), "/nothing"),
    // An error.
    (6, Ending::Status(503), "/items/503"),
    // An error: a time limit.
    (4, Ending::Status(408), "/items/408"),
    (8, Ending::Cancelled, "/items/200"),
    (8, Ending::Grpc("0"), "/shop.Items/Get"),
    // NOT_FOUND.
    (2, Ending::Grpc("5"), "/shop.Items/Unlisted"),
    // An error: DEADLINE_EXCEEDED.
    (10, Ending::Grpc("4"), "/shop.Items/Get"),
];
