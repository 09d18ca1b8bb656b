//! The end of the agent after SIGTERM.

use std::time::{Duration, Instant};

use asdlc_tests::servers::Redis;
use serde_json::json;

use super::harness::Agent;

#[test]
fn a_message_in_progress_gets_its_reply_before_the_agent_ends() {
    let redis = Redis::start();
    let agent = Agent::start_with("", &[("REDIS_URL", &redis.url())]);
    let mut client = agent.client();
    client.put("a", "1");
    redis.process().freeze();
    // Redis delays this message by at least half a second.
    client.send_frame(br#"{"type":"put","key":"b","value":"2"}"#);
    let received = || agent.scrape().sum("messages_received_total") == 2.0;
    assert!(asdlc_tests::wait::eventually(asdlc_tests::wait::DEADLINE, received));
    let start = Instant::now();
    agent.example.terminate();
    assert_eq!(client.receive(), Some(json!({ "type": "done" })));
    assert_eq!(client.receive(), None, "the connection is over");
    let finished = agent.example.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn idle_clients_and_unavailable_peers_do_not_delay_the_end() {
    let nobody = asdlc_tests::servers::free_address();
    let agent = Agent::start(&format!("peers: ['{nobody}']"));
    let idle = agent.client();
    let mut half = agent.client();
    half.send_bytes(b"\0\0\0\x10{\"type\"");
    agent.client().put("a", "1");
    let start = Instant::now();
    agent.example.terminate();
    let finished = agent.example.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(!finished.stderr.iter().any(|line| line.contains("in progress")), "{finished:?}");
    drop((idle, half));
}
