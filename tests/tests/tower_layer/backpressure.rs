//! Requests that wait until the inner service is ready: what is timed and in flight, and what load shedding rejects.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use asdlc_exporter::Exporter;
use asdlc_tests::client::Connection;
use asdlc_tests::in_process::Server;
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use axum::routing::get;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{BoxError, Service, ServiceBuilder};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer, HttpMetricsLayerBuilder};

use super::{
    assert_counted, await_in_flight, exporter, exposition, failed_by_type, in_flight, send_bytes,
};

// F-02, X-01
#[test]
fn a_request_that_waits_inside_of_the_layer_is_in_flight_and_its_wait_is_part_of_the_latency() {
    let (exporter, gate) = (exporter(), Gate::default());
    let service = ServiceBuilder::new()
        .layer(layer(&exporter, |builder| builder))
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .service_fn(gate.handler());
    let server = Server::hyper(TowerToHyperService::new(service));
    one_of_five_gives_up(&exporter, &server, &gate);
}

// F-02, a neighbour: an axum router clones a route with all its layers for each request.
#[test]
fn a_request_that_waits_for_a_route_of_an_axum_router_is_in_flight_and_timed() {
    let (exporter, gate) = (exporter(), Gate::default());
    let waiting = gate.clone();
    let router = Router::new().route("/x", get(async move || waiting.pass().await)).layer(
        ServiceBuilder::new()
            .layer(HttpMetricsLayer::new(&exporter.meter()))
            .layer(GlobalConcurrencyLimitLayer::new(1)),
    );
    one_of_five_gives_up(&exporter, &Server::axum(router), &gate);
}

/// One client is served and four wait. One of these four disconnects.
fn one_of_five_gives_up(exporter: &Exporter, server: &Server, gate: &Gate) {
    let mut clients = vec![send_get(server.address())];
    gate.await_request();
    clients.extend((1..5).map(|_| send_get(server.address())));
    await_in_flight(exporter, 5.0);
    let all_in_flight = Instant::now();
    drop(clients.pop());
    await_in_flight(exporter, 4.0);
    let waited = all_in_flight.elapsed();
    gate.open();
    clients.into_iter().for_each(read_to_end);
    assert_counted(exporter, &[(["GET", "/x", "200"], 4), (["GET", "/x", "499"], 1)]);
    assert_eq!(failed_by_type(exporter), [("cancelled".to_owned(), 1.0)]);
    let timed = exposition(exporter).sum("http_request_duration_seconds_sum");
    assert!(timed >= 4.0 * waited.as_secs_f64(), "{timed} s, but each waited {waited:?}");
    await_in_flight(exporter, 0.0);
    // The request of the client that disconnected has given its permit back.
    assert_eq!(Connection::open(server.address()).get("/x").status(), StatusCode::OK);
}

// F-02: with the layers in the other order the wait is not measured.
#[test]
fn a_request_that_waits_outside_of_the_layer_is_not_in_flight_yet() {
    let (exporter, gate) = (exporter(), Gate::default());
    let service = ServiceBuilder::new()
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .layer(layer(&exporter, |builder| builder))
        .service_fn(gate.handler());
    let server = Server::hyper(TowerToHyperService::new(service));
    let clients: Vec<_> = (0..3).map(|_| send_get(server.address())).collect();
    await_in_flight(&exporter, 1.0);
    gate.open();
    clients.into_iter().for_each(read_to_end);
    assert_counted(&exporter, &[(["GET", "/x", "200"], 3)]);
}

// F-02
#[test]
fn load_that_is_shed_inside_of_the_layer_is_counted() {
    let (exporter, gate) = (exporter(), Gate::default());
    let service = ServiceBuilder::new()
        .layer(layer(&exporter, |builder| builder))
        .layer_fn(Shed)
        .load_shed()
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .service_fn(gate.handler());
    let server = Server::hyper(TowerToHyperService::new(service));
    let held = hold_one_and_shed_another(&server, &gate);
    gate.open();
    read_to_end(held);
    assert_counted(&exporter, &[(["GET", "/x", "200"], 1), (["GET", "/x", "503"], 1)]);
}

// F-02
#[test]
fn with_backpressure_load_that_is_shed_outside_of_the_layer_is_not_counted() {
    let (exporter, gate) = (exporter(), Gate::default());
    let service = ServiceBuilder::new()
        .layer_fn(Shed)
        .load_shed()
        .layer(layer(&exporter, HttpMetricsLayerBuilder::with_backpressure))
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .service_fn(gate.handler());
    let server = Server::hyper(TowerToHyperService::new(service));
    let held = hold_one_and_shed_another(&server, &gate);
    assert_eq!(in_flight(&exporter), 1.0);
    gate.open();
    read_to_end(held);
    assert_counted(&exporter, &[(["GET", "/x", "200"], 1)]);
}

/// Sends a request that waits at the gate, and one that is rejected meanwhile. Returns the client of the first one.
#[track_caller]
fn hold_one_and_shed_another(server: &Server, gate: &Gate) -> TcpStream {
    let held = send_get(server.address());
    gate.await_request();
    let mut connection = Connection::open(server.address());
    assert_eq!(connection.get("/x").status(), StatusCode::SERVICE_UNAVAILABLE);
    held
}

fn layer(
    exporter: &Exporter,
    configure: impl FnOnce(HttpMetricsLayerBuilder) -> HttpMetricsLayerBuilder,
) -> HttpMetricsLayer {
    let builder = configure(HttpMetricsLayer::builder(FixedEndpoint("/x")));
    builder.build(&exporter.meter()).expect("the settings are valid")
}

/// Requests wait at the gate until it is opened.
#[derive(Clone)]
struct Gate {
    /// One permit for each request that may pass.
    open: Arc<Semaphore>,
    /// One permit for each request that has arrived.
    arrived: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        let none = || Arc::new(Semaphore::new(0));
        Self { open: none(), arrived: none() }
    }
}

impl Gate {
    async fn pass(&self) {
        self.arrived.add_permits(1);
        drop(self.open.acquire().await.expect("the semaphore is never closed"));
    }

    /// Waits until a request is at the gate.
    #[track_caller]
    fn await_request(&self) {
        assert!(eventually(DEADLINE, || self.arrived.available_permits() > 0));
    }

    fn open(&self) {
        self.open.add_permits(100);
    }

    fn handler(&self) -> impl Fn(Request<Incoming>) -> Responding + Clone + Send + Sync + 'static {
        let gate = self.clone();
        move |_| {
            let gate = gate.clone();
            Box::pin(async move {
                gate.pass().await;
                Ok(Response::new("done".to_owned()))
            })
        }
    }
}

type Responding = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

/// Turns the error of load shedding into a 503.
#[derive(Clone)]
struct Shed<S>(S);

impl<S, B> Service<Request<Incoming>> for Shed<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = BoxError, Future: Send + 'static>,
    B: Default,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context).map(|ready| {
            ready.expect("the inner service does not fail");
            Ok(())
        })
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let response = self.0.call(request);
        Box::pin(async {
            Ok(response.await.unwrap_or_else(|_| {
                let mut response = Response::new(B::default());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response
            }))
        })
    }
}

fn send_get(address: SocketAddr) -> TcpStream {
    send_bytes(address, "GET /x HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
}

fn read_to_end(mut client: TcpStream) {
    use std::io::Read;
    let mut response = String::new();
    client.read_to_string(&mut response).expect("the server responds and closes");
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}
