//! Where requests wait for the service inside: what is timed and in flight, and what load shedding still sheds.

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
use tower_asdlc_metrics::{Fixed, HttpMetricsLayer, HttpMetricsLayerBuilder};

use super::{assert_counted, exporter, exposition};

// F-02, X-01
#[test]
fn a_request_that_waits_inside_of_the_layer_is_in_flight_and_its_wait_is_timed() {
    let (exporter, gate) = (exporter(), Gate::default());
    let service = ServiceBuilder::new()
        .layer(layer(&exporter, |builder| builder))
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .service_fn(gate.handler());
    let server = Server::hyper(TowerToHyperService::new(service));
    one_of_five_gives_up(&exporter, &server, &gate);
}

// F-02, a neighbour: in an axum router, which clones a route with all its layers for each request.
#[test]
fn so_is_one_that_waits_for_a_route_of_an_axum_router() {
    let (exporter, gate) = (exporter(), Gate::default());
    let waiting = gate.clone();
    let router = Router::new().route("/x", get(async move || waiting.pass().await)).layer(
        ServiceBuilder::new()
            .layer(HttpMetricsLayer::new(&exporter.meter()))
            .layer(GlobalConcurrencyLimitLayer::new(1)),
    );
    one_of_five_gives_up(&exporter, &Server::axum(router), &gate);
}

/// One client is served, four wait, and one of these leaves.
fn one_of_five_gives_up(exporter: &Exporter, server: &Server, gate: &Gate) {
    let mut clients = vec![ask(server.address())];
    assert!(eventually(DEADLINE, || gate.has_visitor()));
    clients.extend((1..5).map(|_| ask(server.address())));
    assert!(eventually(DEADLINE, || in_flight(exporter) == 5.0), "{}", in_flight(exporter));
    let all_in_flight = Instant::now();
    drop(clients.pop());
    assert!(eventually(DEADLINE, || in_flight(exporter) == 4.0), "{}", in_flight(exporter));
    let waited = all_in_flight.elapsed();
    gate.open();
    clients.into_iter().for_each(read_to_end);
    assert_counted(exporter, &[(["GET", "/x", "200"], 4), (["GET", "/x", "499"], 1)]);
    let exposition = exposition(exporter);
    let failed = exposition.sum_by("http_requests_failed_total", ["error_type"]);
    assert_eq!(failed.into_iter().collect::<Vec<_>>(), [(["cancelled".to_owned()], 1.0)]);
    let timed = exposition.sum("http_request_duration_seconds_sum");
    assert!(timed >= 4.0 * waited.as_secs_f64(), "{timed} s, all waited {waited:?}");
    assert!(eventually(DEADLINE, || in_flight(exporter) == 0.0));
    // No permit is lost with the one that left.
    assert_eq!(Connection::open(server.address()).get("/x").status(), StatusCode::OK);
}

// F-02: the other order stays as it is.
#[test]
fn a_request_that_waits_outside_of_the_layer_is_not_seen_yet() {
    let (exporter, gate) = (exporter(), Gate::default());
    let service = ServiceBuilder::new()
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .layer(layer(&exporter, |builder| builder))
        .service_fn(gate.handler());
    let server = Server::hyper(TowerToHyperService::new(service));
    let clients: Vec<_> = (0..3).map(|_| ask(server.address())).collect();
    assert!(eventually(DEADLINE, || in_flight(&exporter) == 1.0));
    gate.open();
    clients.into_iter().for_each(read_to_end);
    assert_counted(&exporter, &[(["GET", "/x", "200"], 3)]);
}

// F-02
#[test]
fn load_that_is_shed_inside_of_the_layer_is_shed_and_counted() {
    let (exporter, gate) = (exporter(), Gate::default());
    let service = ServiceBuilder::new()
        .layer(layer(&exporter, |builder| builder))
        .layer_fn(Shed)
        .load_shed()
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .service_fn(gate.handler());
    let server = Server::hyper(TowerToHyperService::new(service));
    let held = ask(server.address());
    assert!(eventually(DEADLINE, || gate.has_visitor()));
    let mut connection = Connection::open(server.address());
    assert_eq!(connection.get("/x").status(), StatusCode::SERVICE_UNAVAILABLE);
    gate.open();
    read_to_end(held);
    assert_counted(&exporter, &[(["GET", "/x", "200"], 1), (["GET", "/x", "503"], 1)]);
}

// F-02
#[test]
fn with_backpressure_load_is_shed_outside_of_the_layer_and_not_counted() {
    let (exporter, gate) = (exporter(), Gate::default());
    let service = ServiceBuilder::new()
        .layer_fn(Shed)
        .load_shed()
        .layer(layer(&exporter, HttpMetricsLayerBuilder::with_backpressure))
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .service_fn(gate.handler());
    let server = Server::hyper(TowerToHyperService::new(service));
    let held = ask(server.address());
    assert!(eventually(DEADLINE, || gate.has_visitor()));
    let mut connection = Connection::open(server.address());
    assert_eq!(connection.get("/x").status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(in_flight(&exporter), 1.0);
    gate.open();
    read_to_end(held);
    assert_counted(&exporter, &[(["GET", "/x", "200"], 1)]);
}

fn layer(
    exporter: &Exporter,
    configure: impl FnOnce(HttpMetricsLayerBuilder) -> HttpMetricsLayerBuilder,
) -> HttpMetricsLayer {
    let builder = configure(HttpMetricsLayer::builder(Fixed("/x")));
    builder.build(&exporter.meter()).expect("the settings are valid")
}

/// Requests wait at it until it is opened.
#[derive(Clone)]
struct Gate {
    passes: Arc<Semaphore>,
    visitors: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self { passes: closed(), visitors: closed() }
    }
}

impl Gate {
    async fn pass(&self) {
        self.visitors.add_permits(1);
        drop(self.passes.acquire().await.expect("it is not closed for good"));
    }

    fn has_visitor(&self) -> bool {
        self.visitors.available_permits() > 0
    }

    fn open(&self) {
        self.passes.add_permits(100);
    }

    fn handler(&self) -> impl Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static {
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

type Answering = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

/// Answers with 503 when the load is shed.
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
            ready.expect("the service inside does not fail");
            Ok(())
        })
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async {
            Ok(answer.await.unwrap_or_else(|_| {
                let mut response = Response::new(B::default());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response
            }))
        })
    }
}

fn ask(address: SocketAddr) -> TcpStream {
    use std::io::Write;
    let mut client = TcpStream::connect(address).expect("it listens");
    client.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
    let request = b"GET /x HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    client.write_all(request).expect("it reads");
    client
}

fn read_to_end(mut client: TcpStream) {
    use std::io::Read;
    let mut response = String::new();
    client.read_to_string(&mut response).expect("it answers and closes");
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

fn in_flight(exporter: &Exporter) -> f64 {
    exposition(exporter).sum("http_requests_in_flight")
}
