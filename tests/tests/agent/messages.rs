//! Messages are counted and timed where they are processed.

use std::time::Instant;

use asdlc_tests::exposition::Kind;
use asdlc_tests::wait::{DEADLINE, eventually};

use super::harness::{Agent, Client};

// N-02
#[test]
fn every_message_is_counted_and_timed_once() {
    let agent = Agent::start("");
    let at_start = agent.scrape();
    assert_eq!(at_start.value("messages_received_total", &[("service", "agent")]), Some(0.0));
    let start = Instant::now();
    let mut clients = [agent.client(), agent.client()];
    for client in &mut clients {
        for number in 0..10 {
            client.put(&format!("key {number}"), "value");
            client.get("key 3");
            client.ping();
        }
        client.delete("key 3");
    }
    let observed = start.elapsed().as_secs_f64();
    let scrape = agent.scrape_after(62);
    assert_eq!(scrape.value("messages_received_total", &[]), Some(62.0));
    assert_eq!(scrape.value("message_processing_duration_seconds_count", &[]), Some(62.0));
    let sum = scrape.sum("message_processing_duration_seconds_sum");
    // Puts write the file, so the sum cannot be 0.
    assert!(sum > 0.0 && sum <= observed, "{sum} of {observed} s");
    assert_eq!(
        scrape.family("messages_received_total").expect("it exists").kind,
        Some(Kind::Counter)
    );
    let durations = scrape.family("message_processing_duration_seconds").expect("it exists");
    assert_eq!(durations.kind, Some(Kind::Histogram));
}

// N-02
#[test]
fn an_invalid_message_closes_its_connection_and_is_not_counted() {
    let agent = Agent::start("");
    let wrong: [&[u8]; 5] = [
        b"\0\0\0\x02{}",
        b"\0\0\0\x05hello",
        b"\0\0\0\x16{\"type\":\"no such type\"}",
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
    ];
    for bytes in wrong {
        let mut client = agent.client();
        client.send_bytes(bytes);
        assert_eq!(client.receive(), None, "{bytes:?}");
    }
    // Half a message, and then a disconnect.
    agent.client().send_bytes(b"\0\0\0\x10{\"type\"");
    agent.client().ping();
    let scrape = agent.scrape_after(1);
    assert_eq!(scrape.value("messages_received_total", &[]), Some(1.0));
}

// N-02
#[test]
fn messages_are_counted_at_every_log_level() {
    for log in ["error", "trace"] {
        // At this log level the agent does not print the address for peers.
        let address = asdlc_tests::servers::free_address();
        let directory = tempfile::TempDir::new().expect("a temporary directory can be made");
        let listen = format!("listen: {address}");
        let path = super::harness::configuration_file(directory.path(), &listen);
        let mut command = asdlc_tests::example::command("agent");
        command.env("LISTEN_ADDR", "127.0.0.1:0").env("RUST_LOG", log).arg("--config").arg(path);
        let agent = asdlc_tests::example::Example::spawn(command);
        let mut client = Client::connect(address);
        client.put("a", "b");
        let counted = || agent.scrape().value("messages_received_total", &[]) == Some(1.0);
        assert!(eventually(DEADLINE, counted), "RUST_LOG={log}");
        assert_eq!(agent.scrape().sum("storage_operations_total"), 1.0, "RUST_LOG={log}");
    }
}
