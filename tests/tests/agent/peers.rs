//! Two agents.

use std::net::SocketAddr;

use asdlc_tests::servers::free_address;
use asdlc_tests::wait::{DEADLINE, eventually};
use tempfile::TempDir;

use super::harness::{Agent, operations};

struct Pair {
    addresses: [SocketAddr; 2],
    agents: [Agent; 2],
}

impl Pair {
    fn start() -> Self {
        let addresses = [free_address(), free_address()];
        let start = |own: usize| {
            let directory = TempDir::new().expect("a temporary directory can be made");
            Agent::start_in(directory, &configuration(addresses, own), &[])
        };
        Self { addresses, agents: [start(0), start(1)] }
    }

    #[track_caller]
    fn await_connected(&self) {
        for agent in &self.agents {
            assert!(eventually(DEADLINE, || connected(agent) == 1.0), "{}", connected(agent));
        }
    }
}

fn configuration(addresses: [SocketAddr; 2], own: usize) -> String {
    let [listen, peer] = [addresses[own], addresses[1 - own]];
    format!("listen: {listen}\npeers: ['{peer}']\nheartbeat: 0.1\nstorage:\n  path: DIR/keys.redb")
}

fn connected(agent: &Agent) -> f64 {
    agent.scrape().value("agent_peers_connected", &[("service", "agent")]).expect("it exists")
}

// N-01 N-02 N-03
#[test]
fn a_put_on_one_agent_is_stored_and_counted_by_the_other() {
    let pair = Pair::start();
    pair.await_connected();
    let [one, other] = &pair.agents;
    for number in 0..20 {
        one.client().put(&format!("key {number}"), "value");
    }
    one.client().delete("key 7");
    let value = |key: &str| other.client().get(key);
    assert!(eventually(DEADLINE, || value("key 19").is_some() && value("key 7").is_none()));
    assert_eq!(value("key 3").as_deref(), Some("value"));
    let local = |agent: &Agent, operation: &str| {
        let labels = [("operation", operation), ("backend", "local")];
        agent.scrape().value("storage_operations_total", &labels)
    };
    for agent in [one, other] {
        assert_eq!(
            local(agent, "put"),
            Some(20.0),
            "{:?}",
            operations(&agent.scrape(), OPERATIONS)
        );
        assert_eq!(local(agent, "delete"), Some(1.0));
    }
    // Heartbeats are messages too.
    assert!(other.scrape().sum("messages_received_total") >= 21.0);
}

// N-01
#[test]
fn the_gauge_follows_peers_that_freeze_end_and_come_back() {
    let pair = Pair::start();
    pair.await_connected();
    let Pair { addresses, agents: [one, other] } = pair;

    other.example.process().freeze();
    assert!(eventually(DEADLINE, || connected(&one) == 0.0), "a frozen peer counts as connected");
    other.example.process().thaw();
    assert!(eventually(DEADLINE, || connected(&one) == 1.0), "a peer that is back does not count");

    other.example.process().kill();
    assert!(eventually(DEADLINE, || connected(&one) == 0.0), "a dead peer counts as connected");
    // Copies for the peer wait until it is back.
    one.client().put("color", "green");
    let Agent { example, directory, .. } = other;
    assert_eq!(example.finish().status.code(), None);
    let other = Agent::start_in(directory, &configuration(addresses, 1), &[]);
    assert!(eventually(DEADLINE, || connected(&one) == 1.0), "a new peer does not count");
    assert!(eventually(DEADLINE, || other.client().get("color").is_some()), "the copy is lost");
}

// N-01
#[test]
fn without_peers_none_is_connected() {
    assert_eq!(connected(&Agent::start("")), 0.0);
}

const OPERATIONS: &str = "storage_operations_total";
