//! The storage in the file, and the metrics of its operations.

use asdlc_tests::exposition::Kind;

use super::harness::{Agent, operations};

// N-03
#[test]
fn operations_on_the_file_are_counted_and_timed_by_operation() {
    let agent = Agent::start("");
    let none = operations(&agent.scrape(), OPERATIONS);
    let all = ["delete local", "delete redis", "get local", "get redis", "put local", "put redis"];
    // All series exist from the start, so that `rate` sees the first operation.
    assert_eq!(none, all.map(|labels| (labels.to_owned(), 0.0)));

    let mut client = agent.client();
    for number in 0..5 {
        client.put(&format!("key {number}"), &number.to_string());
    }
    assert_eq!(client.get("key 2").as_deref(), Some("2"));
    client.delete("key 2");
    assert_eq!(client.get("key 2"), None);
    client.delete("never there");

    let scrape = agent.scrape_after(9);
    let expected = [2.0, 0.0, 2.0, 0.0, 5.0, 0.0];
    let expected: Vec<_> = all.map(str::to_owned).into_iter().zip(expected).collect();
    assert_eq!(operations(&scrape, OPERATIONS), expected);
    let timed: Vec<_> = expected.into_iter().filter(|(_, count)| *count > 0.0).collect();
    let durations = operations(&scrape, "storage_operation_duration_seconds_count");
    let durations: Vec<_> = durations.into_iter().filter(|(_, count)| *count > 0.0).collect();
    assert_eq!(durations, timed);
    assert_eq!(scrape.family(OPERATIONS).expect("it exists").kind, Some(Kind::Counter));
    let family = scrape.family("storage_operation_duration_seconds").expect("it exists");
    assert_eq!(family.kind, Some(Kind::Histogram));
}

// N-03
#[test]
fn a_value_survives_a_sigkill() {
    let configuration = "storage:\n  path: DIR/keys.redb";
    let agent = Agent::start(configuration);
    agent.client().put("color", "green");
    agent.example.process().kill();
    let Agent { example, directory, .. } = agent;
    assert_eq!(example.finish().status.code(), None);
    let agent = Agent::start_in(directory, configuration, &[]);
    assert_eq!(agent.client().get("color").as_deref(), Some("green"));
}

const OPERATIONS: &str = "storage_operations_total";
