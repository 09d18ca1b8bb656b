//! A layer that never finds an endpoint, because it is used wrongly, logs one warning.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use asdlc_tests::client::Connection;
use axum::Router;
use axum::routing::get;
use http::StatusCode;
use tokio::net::TcpListener;
use tower::Layer;
use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer, endpoint_fn};
use tracing::dispatcher::{self, Dispatch};
use tracing_subscriber::fmt::MakeWriter;

use super::{assert_counted, exporter};

/// More than the layer needs before it warns.
const REQUESTS: u32 = 150;

// F-11
#[test]
fn a_service_of_another_version_of_axum_gets_one_warning() {
    let exporter = exporter();
    let layer = HttpMetricsLayer::new(&exporter.meter());
    let log = serve_07(layer, |connection| {
        for _ in 0..REQUESTS {
            assert_eq!(connection.get("/items/1").status(), StatusCode::OK);
        }
    });
    assert_counted(&exporter, &[(["GET", "_UNMATCHED", "200"], REQUESTS)]);
    assert_warned(&log);
}

// F-11: the documented line for another version of axum.
#[test]
fn with_the_matched_path_of_that_version_the_endpoints_are_its_routes() {
    use axum_07::extract::MatchedPath;
    let exporter = exporter();
    let route = endpoint_fn(|head| head.extensions.get::<MatchedPath>().map(MatchedPath::as_str));
    let layer = HttpMetricsLayer::builder(route).build(&exporter.meter());
    let log = serve_07(layer.expect("the settings are valid"), |connection| {
        for _ in 0..REQUESTS {
            connection.get("/items/1");
        }
        connection.get("/nowhere");
    });
    let items = (["GET", "/items/:id", "200"], REQUESTS);
    assert_counted(&exporter, &[items, (["GET", "_UNMATCHED", "404"], 1)]);
    assert_eq!(log, "");
}

// F-11, a neighbour: the layer is around the router, where no route has been matched yet.
#[test]
fn a_layer_around_the_router_gets_one_warning() {
    let layer = HttpMetricsLayer::new(&exporter().meter());
    let router = Router::new().route("/", get(async || "a response"));
    assert_warned(&serve(Router::new().fallback_service(layer.layer(router)), "/"));
}

// F-11, a neighbour: the list has the methods of another server.
#[test]
fn a_list_of_grpc_methods_of_which_none_is_called_gets_one_warning() {
    let methods = GrpcMethods::new(["/other.Service/Method"]);
    let layer = HttpMetricsLayer::builder(methods).build(&exporter().meter());
    let router = Router::new().fallback(async || "a response");
    assert_warned(&serve(router.layer(layer.expect("the settings are valid")), "/"));
}

// F-11
#[test]
fn a_service_with_matched_routes_or_with_failures_only_gets_no_warning() {
    let layer = || HttpMetricsLayer::new(&exporter().meter());
    assert_eq!(serve(Router::new().layer(layer()), "/"), "");
    let router = Router::new().route("/", get(async || "matched")).fallback(async || "a page");
    assert_eq!(serve(router.layer(layer()), "/page"), "");
}

/// The log of one request to `/` and many requests to `path`.
fn serve(router: Router, path: &'static str) -> String {
    let serve = async |listener| axum::serve(listener, router).await.expect("it serves");
    logged(serve, move |connection| {
        connection.get("/");
        for _ in 0..REQUESTS {
            connection.get(path);
        }
    })
}

/// The log of a server of axum 0.7.
fn serve_07(
    layer: HttpMetricsLayer,
    client: impl FnOnce(&mut Connection) + Send + 'static,
) -> String {
    use axum_07::{Router, routing::get};
    let router = Router::new().route("/items/:id", get(|| async { "an item" })).layer(layer);
    logged(async |listener| axum_07::serve(listener, router).await.expect("it serves"), client)
}

/// The log of a server on this thread, until the client is done.
fn logged(
    serve: impl AsyncFnOnce(TcpListener),
    client: impl FnOnce(&mut Connection) + Send + 'static,
) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).finish();
    dispatcher::with_default(&Dispatch::new(subscriber), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be built").block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
            let address = listener.local_addr().expect("a listener has an address");
            let client = move || client(&mut Connection::open(address));
            let client = tokio::task::spawn_blocking(client);
            tokio::select! {
                () = serve(listener) => unreachable!("it serves until it is dropped"),
                done = client => done.expect("the client does not panic"),
            }
        });
    });
    log.text()
}

#[track_caller]
fn assert_warned(log: &str) {
    assert_eq!(log.matches("none matched a route").count(), 1, "{log}");
    assert!(log.contains("WARN") && log.contains("_UNMATCHED"), "{log}");
}

#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(super) fn text(&self) -> String {
        let log = self.0.lock().expect("no holder panics");
        String::from_utf8(log.clone()).expect("it is text")
    }
}

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no holder panics").write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
