//! The client layer around a channel in this process: its numbers equal those of the server, call for call.

use std::error::Error;
use std::time::Duration;

use asdlc_exporter::Exporter;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::wait::{DEADLINE, eventually};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, ConnectError, Status};
use tower::ServiceBuilder;
use tower_asdlc_metrics::{GrpcMethods, HttpClientMetrics, HttpClientMetricsLayer};

use super::client::{Client, LAST, RECORD, Reading, SMOOTH, Server, WATCH, reading};

/// A channel to the server, and the metrics of its calls.
struct Measured {
    exporter: Exporter,
    channel: HttpClientMetrics<Channel>,
}

impl Measured {
    /// Connects at the first call.
    fn to(server: &Server) -> Self {
        Self::with_settings(server, |endpoint| endpoint)
    }

    fn with_settings(server: &Server, set: impl FnOnce(Endpoint) -> Endpoint) -> Self {
        let url = format!("http://{}", server.example.address());
        let exporter = Exporter::builder("client").build().expect("the name is valid");
        let layer = HttpClientMetricsLayer::builder()
            .with_default_host(&url)
            .with_endpoint(GrpcMethods::new([LAST, RECORD, WATCH, SMOOTH]))
            .with_tonic_errors()
            .build(&exporter)
            .expect("the settings are valid");
        let endpoint = set(Endpoint::from_shared(url).expect("a URI"));
        let _runtime = server.runtime.enter();
        let channel = ServiceBuilder::new().layer(layer).service(endpoint.connect_lazy());
        Self { exporter, channel }
    }

    fn client(&self) -> Client<HttpClientMetrics<Channel>> {
        Client::over(self.channel.clone())
    }

    fn scrape(&self) -> Exposition {
        let text = self.exporter.render().expect("it can be rendered");
        Exposition::parse(text.as_bytes()).expect("it is valid")
    }

    /// Waits until `calls` calls were counted, and returns the failures by method, error type and gRPC status.
    #[track_caller]
    fn failures(&self, calls: f64) -> Vec<([String; 3], f64)> {
        let counted = || self.scrape().sum("http_client_requests_total");
        assert!(eventually(DEADLINE, || counted() == calls), "{} of {calls}", counted());
        let scrape = self.scrape();
        assert_eq!(scrape.sum("http_client_request_duration_seconds_count"), calls);
        assert_eq!(scrape.sum("http_client_requests_in_flight"), 0.0);
        let labels = ["endpoint", "error_type", "grpc_status"];
        scrape.sum_by("http_client_requests_failed_total", labels).into_iter().collect()
    }
}

fn row(labels: [&str; 3], count: f64) -> ([String; 3], f64) {
    (labels.map(str::to_owned), count)
}

/// One call of each kind: responses, errors and streams that the client leaves.
async fn one_of_each(mut client: Client<HttpClientMetrics<Channel>>, sensor: String) {
    let readings = |values: &[f64]| {
        let readings: Vec<_> = values.iter().map(|value| reading(&sensor, *value)).collect();
        tokio_stream::iter(readings)
    };
    assert_eq!(client.last(&sensor).await.expect_err("no reading yet").code(), Code::NotFound);
    assert_eq!(client.record(readings(&[1.0, 2.0])).await.expect("numbers"), 2);
    client.record(readings(&[f64::NAN])).await.expect_err("no number");
    client.last(&sensor).await.expect("it exists");
    for values in [&[1.0, 3.0][..], &[1.0, f64::NAN], &[]] {
        let mut means = client.smooth(readings(values)).await.expect("the stream continues");
        while let Ok(Some(_)) = means.message().await {}
    }
    let mut watch = client.watch(&sensor).await.expect("the stream continues");
    client.record(readings(&[7.0])).await.expect("a number");
    watch.message().await.expect("the stream continues").expect("a reading");
    drop(watch);
    let unknown = client.unary::<Reading, Reading>("/other.Service/Call", reading("t1", 1.0)).await;
    assert_eq!(unknown.expect_err("there is none").code(), Code::Unimplemented);
}

//
#[test]
fn each_call_has_the_same_method_and_status_on_both_sides() {
    const CLIENTS: usize = 40;
    let server = Server::start();
    let measured = Measured::to(&server);
    let calls: Vec<_> = (0..CLIENTS)
        .map(|number| server.runtime.spawn(one_of_each(measured.client(), number.to_string())))
        .collect();
    for call in calls {
        server.runtime.block_on(call).expect("no client fails");
    }
    let total = 10.0 * CLIENTS as f64;
    let failures = measured.failures(total);

    let labels = ["endpoint", "grpc_status", "status"];
    let sent = measured.scrape().sum_by("http_client_requests_total", labels);
    // The server may record a call a moment after its client has the response.
    let mut served = server.example.scrape();
    let arrived = eventually(DEADLINE, || {
        served = server.example.scrape();
        served.sum("http_requests_total") >= total
    });
    assert!(arrived, "{}", served.sum("http_requests_total"));
    assert_eq!(sent, served.sum_by("http_requests_total", labels));

    let labels = ["endpoint", "error_type", "grpc_status"];
    let failed = served.sum_by("http_requests_failed_total", labels);
    assert_eq!(failures, failed.into_iter().collect::<Vec<_>>());
}

//
#[test]
fn a_deadline_of_the_client_is_a_timeout_and_cancels_the_call_of_the_server() {
    let server = Server::start();
    // The server does not see this deadline. One that it sees can pass on either side first.
    let deadline = Duration::from_millis(100);
    let measured = Measured::with_settings(&server, |endpoint| endpoint.timeout(deadline));
    server.runtime.block_on(async {
        let never_ends = tokio_stream::pending::<Reading>();
        measured.client().record(never_ends).await.expect_err("it never ends");
    });
    assert_eq!(measured.failures(1.0), [row([RECORD, "timeout", "DEADLINE_EXCEEDED"], 1.0)]);
    assert_cancelled(&server);
}

//
#[test]
fn calls_of_a_server_that_is_killed_are_resets_and_later_ones_connect_errors() {
    let server = Server::start();
    let measured = Measured::to(&server);
    let (sender, readings) = mpsc::channel(1);
    let (mut connect_errors, mut resets) = (0.0, 0.0);
    server.runtime.block_on(async {
        let mut watch = measured.client().watch("t1").await.expect("the stream continues");
        let mut client = measured.client();
        let record =
            tokio::spawn(async move { client.record(ReceiverStream::new(readings)).await });
        sender.send(reading("t1", 1.0)).await.expect("the server accepts it");
        watch.message().await.expect("the stream continues").expect("a reading");
        server.example.process().kill();
        watch.message().await.expect_err("the server is gone");
        record.await.expect("no panic").expect_err("the server is gone");
        // The channel may send a few more calls on the connection before it notices that this is closed.
        while connect_errors < 3.0 {
            let status = measured.client().last("t1").await.expect_err("nobody listens");
            *if is_connect_error(&status) { &mut connect_errors } else { &mut resets } += 1.0;
        }
    });
    let last = [("connect_error", connect_errors), ("reset", resets)];
    let last = last.map(|(error_type, count)| row([LAST, error_type, "UNAVAILABLE"], count));
    let mut expected: Vec<_> = last.into_iter().filter(|(_, count)| *count > 0.0).collect();
    expected.push(row([RECORD, "reset", "UNAVAILABLE"], 1.0));
    expected.push(row([WATCH, "reset", "UNAVAILABLE"], 1.0));
    assert_eq!(measured.failures(2.0 + connect_errors + resets), expected);
}

fn is_connect_error(status: &Status) -> bool {
    let error: &(dyn Error + 'static) = status;
    let mut errors = std::iter::successors(Some(error), |error| (*error).source());
    errors.any(<dyn Error>::is::<ConnectError>)
}

//
#[test]
fn a_call_that_its_caller_drops_is_cancelled_on_both_sides() {
    let server = Server::start();
    let measured = Measured::to(&server);
    server.runtime.block_on(async {
        let mut client = measured.client();
        let call = client.record(tokio_stream::pending::<Reading>());
        let in_flight = async {
            while server.in_flight() != 1.0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            _ = call => panic!("it never ends"),
            () = in_flight => {}
        }
    });
    assert_eq!(measured.failures(1.0), [row([RECORD, "cancelled", "CANCELLED"], 1.0)]);
    assert_cancelled(&server);
}

/// Checks that the only call of the server was cancelled. The service notices it in its stream of messages, or is dropped.
#[track_caller]
fn assert_cancelled(server: &Server) {
    let counted =
        || server.example.scrape().sum_by("http_requests_total", ["endpoint", "grpc_status"]);
    let expected = [([RECORD, "CANCELLED"].map(str::to_owned), 1.0)].into();
    assert!(eventually(DEADLINE, || counted() == expected), "{:?}", counted());
    assert_eq!(server.in_flight(), 0.0);
}
