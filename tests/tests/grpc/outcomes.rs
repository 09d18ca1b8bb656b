//! Calls that fail or are cancelled.

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::client::{LAST, RECORD, SMOOTH, Server, WATCH, reading};

// G-01
#[test]
fn an_error_within_a_stream_is_read_from_the_trailers() {
    let server = Server::start();
    server.runtime.block_on(async {
        let mut client = server.client().await;
        let readings = [reading("t1", 1.0), reading("t1", 3.0), reading("t1", f64::NAN)];
        let mut means =
            client.smooth(tokio_stream::iter(readings)).await.expect("the stream continues");
        for mean in [1.0, 2.0] {
            assert_eq!(means.message().await.expect("a number"), Some(reading("t1", mean)));
        }
        assert_eq!(means.message().await.expect_err("no number").code(), Code::InvalidArgument);
    });
    let scrape = server.assert_counted(&[([SMOOTH, "INVALID_ARGUMENT", "200"], 1.0)]);
    let failed = scrape.sum_by("http_requests_failed_total", ["error_type"]);
    assert_eq!(failed.into_iter().collect::<Vec<_>>(), [(["client_error".to_owned()], 1.0)]);
}

// G-01
#[test]
fn an_error_before_the_end_of_the_client_stream_is_counted() {
    let server = Server::start();
    server.runtime.block_on(async {
        let mut client = server.client().await;
        let readings = [reading("t1", 1.0), reading("", 1.0), reading("t1", 2.0)];
        let refused =
            client.record(tokio_stream::iter(readings)).await.expect_err("a name is missing");
        assert_eq!(refused.code(), Code::InvalidArgument);
        // The readings before the error are stored.
        assert_eq!(client.last("t1").await.expect("it exists").value, 1.0);
    });
    server
        .assert_counted(&[([LAST, "OK", "200"], 1.0), ([RECORD, "INVALID_ARGUMENT", "200"], 1.0)]);
}

// G-01 X-01
#[test]
fn streams_that_their_clients_cancel_are_counted_once_and_leave_nothing_in_flight() {
    let server = Server::start();
    server.runtime.block_on(async {
        let mut client = server.client().await;
        let mut watches = Vec::new();
        for _ in 0..5 {
            watches.push(client.watch("t1").await.expect("the stream continues"));
        }
        assert_eq!(server.in_flight(), 5.0);
        // This sends RST_STREAM, and the connection stays open.
        drop(watches);
        client.last("t1").await.expect_err("nothing was recorded");
    });
    let calls = [([LAST, "NOT_FOUND", "200"], 1.0), ([WATCH, "CANCELLED", "200"], 5.0)];
    let scrape = server.assert_counted(&calls);
    let aborted = [("endpoint", WATCH), ("error_type", "aborted")];
    assert_eq!(scrape.value("http_requests_failed_total", &aborted), Some(5.0));
}

// G-01 X-01
#[test]
fn a_bidirectional_call_whose_client_disconnects_is_counted_once() {
    let mut server = Server::start();
    let (sender, readings) = mpsc::channel(1);
    let open = server.runtime.block_on(async {
        let mut client = server.client().await;
        sender.send(reading("t1", 1.0)).await.expect("the server accepts it");
        let mut means =
            client.smooth(ReceiverStream::new(readings)).await.expect("the stream continues");
        means.message().await.expect("the stream continues").expect("a mean");
        (client, means)
    });
    assert_eq!(server.in_flight(), 1.0);
    // Dropping the runtime closes its sockets.
    drop(std::mem::replace(&mut server.runtime, Runtime::new().expect("a runtime can be built")));
    let scrape = server.assert_counted(&[([SMOOTH, "CANCELLED", "200"], 1.0)]);
    let aborted = [("endpoint", SMOOTH), ("error_type", "aborted")];
    assert_eq!(scrape.value("http_requests_failed_total", &aborted), Some(1.0));
    drop(open);
}
