//! A real Redis in addition to the file: available, killed, frozen, restarted.

use std::time::{Duration, Instant};

use asdlc_tests::servers::Redis;
use asdlc_tests::wait::{DEADLINE, eventually};

use super::harness::{Agent, operations};

fn agent_with(redis: &Redis) -> Agent {
    Agent::start_with("", &[("REDIS_URL", &redis.url())])
}

// N-03
#[test]
fn operations_are_counted_for_each_backend() {
    let redis = Redis::start();
    let agent = agent_with(&redis);
    let mut client = agent.client();
    client.put("color", "green");
    client.put("size", "small");
    // Read from the file, and from Redis only if the file has no value.
    assert_eq!(client.get("color").as_deref(), Some("green"));
    assert_eq!(client.get("shape"), None);
    client.delete("size");
    let scrape = agent.scrape_after(5);
    let expected = [
        ("delete local", 1.0),
        ("delete redis", 1.0),
        ("get local", 2.0),
        ("get redis", 1.0),
        ("put local", 2.0),
        ("put redis", 2.0),
    ];
    let expected = expected.map(|(labels, count)| (labels.to_owned(), count));
    assert_eq!(operations(&scrape, "storage_operations_total"), expected);
    let timed = operations(&scrape, "storage_operation_duration_seconds_count");
    assert_eq!(timed, expected);
}

// N-03
#[test]
fn a_value_that_another_agent_has_put_is_found_in_redis() {
    let redis = Redis::start();
    agent_with(&redis).client().put("color", "green");
    let other = agent_with(&redis);
    assert_eq!(other.client().get("color").as_deref(), Some("green"));
}

// N-02 N-03
#[test]
fn the_agent_works_while_redis_is_killed_and_uses_it_again_once_it_is_back() {
    let mut redis = Redis::start();
    let agent = agent_with(&redis);
    let mut client = agent.client();
    client.put("a", "1");
    redis.kill();
    client.put("b", "2");
    assert_eq!(client.get("b").as_deref(), Some("2"));
    assert_eq!(client.get("c"), None);
    let scrape = agent.scrape_after(4);
    // The failed operation is counted too.
    let puts = [("operation", "put"), ("backend", "redis")];
    assert_eq!(scrape.value("storage_operations_total", &puts), Some(2.0));
    assert_eq!(scrape.value("storage_operation_duration_seconds_count", &puts), Some(2.0));

    redis.restart();
    let back = || {
        client.put("d", "4");
        let other = agent_with(&redis);
        other.client().get("d").as_deref() == Some("4")
    };
    assert!(eventually(DEADLINE, back), "Redis is not used again");
}

// N-02 N-03
#[test]
fn a_frozen_redis_delays_a_message_by_its_timeout_only() {
    let redis = Redis::start();
    let agent = agent_with(&redis);
    let mut client = agent.client();
    let start = Instant::now();
    client.put("a", "1");
    redis.process().freeze();
    client.put("b", "2");
    let took = start.elapsed();
    // The agent waits half a second, reconnects, and waits again.
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(client.get("b").as_deref(), Some("2"));
    // Other messages and scrapes do not wait for it.
    agent.client().ping();
    let scrape = agent.scrape_after(4);
    let frozen = [("operation", "put"), ("backend", "redis")];
    let sum =
        scrape.value("storage_operation_duration_seconds_sum", &frozen).expect("it was timed");
    assert!((0.4..=took.as_secs_f64()).contains(&sum), "{sum} s of {took:?}");

    redis.process().thaw();
    let back = || {
        client.put("c", "3");
        let other = agent_with(&redis);
        other.client().get("c").as_deref() == Some("3")
    };
    assert!(eventually(DEADLINE, back), "Redis is not used again");
}

#[test]
fn the_agent_starts_without_a_redis_that_is_configured_and_down() {
    let mut redis = Redis::start();
    redis.kill();
    let agent = agent_with(&redis);
    agent.client().put("a", "1");
    assert_eq!(agent.client().get("a").as_deref(), Some("1"));
}
