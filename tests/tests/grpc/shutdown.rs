//! The end of the server after SIGTERM.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::client::{Server, reading};

#[test]
fn calls_in_progress_complete_and_watches_end_with_unavailable() {
    let server = Server::start();
    server.runtime.block_on(async {
        let mut client = server.client().await;
        let mut watch = client.watch("t1").await.expect("the stream continues");
        let (sender, readings) = mpsc::channel(1);
        sender.send(reading("t1", 1.0)).await.expect("the server accepts it");
        let mut means =
            client.smooth(ReceiverStream::new(readings)).await.expect("the stream continues");
        means.message().await.expect("the stream continues").expect("a mean");
        let health = HealthCheckRequest { service: "telemetry.v1.Readings".to_owned() };
        let mut health = HealthClient::new(server.channel().await)
            .watch(health)
            .await
            .expect("known")
            .into_inner();
        health.message().await.expect("the stream continues").expect("it serves");

        server.example.terminate();
        let told = health.message().await.expect("the stream continues").expect("it changes");
        assert_eq!(told.status, i32::from(ServingStatus::NotServing));
        assert_eq!(watch.message().await.expect_err("it ends").code(), Code::Unavailable);
        // The other call continues and completes.
        sender.send(reading("t1", 3.0)).await.expect("the server accepts it");
        assert_eq!(means.message().await.expect("the stream continues"), Some(reading("t1", 2.0)));
        drop(sender);
        assert_eq!(means.message().await.expect("it ends well"), None);
    });
    let finished = server.example.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
}

#[test]
fn a_call_that_never_ends_does_not_delay_the_end_of_the_server() {
    let server = Server::start();
    let (_sender, readings) = mpsc::channel(1);
    let mut client = server.runtime.block_on(server.client());
    let call = async move { client.record(ReceiverStream::new(readings)).await };
    let call = server.runtime.spawn(call);
    server.await_in_flight();
    let start = Instant::now();
    server.example.terminate();
    let finished = server.example.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
    let lost = server.runtime.block_on(call).expect("no panic");
    lost.expect_err("the server is gone");
    assert!(finished.stderr.iter().any(|line| line.contains("in progress")), "{finished:?}");
}
