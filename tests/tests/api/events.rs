//! The API: an accepted event is stored exactly once, in every kind of storage.

use std::io::{Read, Write};
use std::net::TcpStream;

use asdlc_tests::servers::{Postgres, Redis};
use serde_json::{Value, json};

use super::harness::{Api, Dependency, EVENT, EventStore};

#[test]
fn events_in_sqlite_survive_a_restart() {
    let mut api = Api::start();
    let ids = store_three(&api);
    api.kill();
    api.start_again();
    assert_newest_first(&api, &ids);
}

#[test]
fn events_in_postgres_survive_a_restart() {
    let postgres = Postgres::start();
    let mut api = Api::start_with(&[("DATABASE_URL", &postgres.url())]);
    let ids = store_three(&api);
    api.kill();
    api.start_again();
    assert_newest_first(&api, &ids);
    let rows = postgres.query("SELECT source, type, data FROM events WHERE id = 'mine'");
    assert_eq!(rows, [r#"shop|order.paid|{"order":8}"#]);
}

/// Sends three events, one of them twice; returns their ids.
fn store_three(api: &Api) -> [String; 3] {
    let first = api.await_taken();
    let mine = r#"{"id":"mine","source":"shop","type":"order.paid","data":{"order":8}}"#;
    let (status, event) = api.post(mine);
    assert_eq!(status, 201);
    assert_eq!(event, api.get("/v1/events/mine").1);
    // Sent again, as by a client that did not get the response.
    assert_eq!(api.post(mine), (200, event));
    let third = api.await_taken();
    let ids = [first, "mine".into(), third];
    assert_newest_first(api, &ids);
    ids
}

#[track_caller]
fn assert_newest_first(api: &Api, ids: &[String; 3]) {
    let (status, events) = api.get("/v1/events");
    assert_eq!(status, 200);
    let mut listed: Vec<_> =
        events.as_array().expect("a list").iter().map(|event| event["id"].clone()).collect();
    // The order of two events of the same millisecond is not defined.
    let times = |event: &Value| event["received_ms"].as_i64().expect("a number");
    assert!(events.as_array().expect("a list").is_sorted_by(|a, b| times(a) >= times(b)));
    let mut expected: Vec<Value> = ids.iter().map(|id| json!(id)).collect();
    let by_text = |a: &Value, b: &Value| a.as_str().cmp(&b.as_str());
    listed.sort_by(by_text);
    expected.sort_by(by_text);
    assert_eq!(listed, expected);
}

#[test]
fn an_invalid_event_is_rejected_with_a_reason() {
    let api = Api::start();
    for (event, status) in [
        (r#"{"source":"","type":"a"}"#, 400),
        (r#"{"source":"a","type":"b c"}"#, 400),
        (r#"{"id":"","source":"a","type":"b"}"#, 400),
        (r#"{"source":"a"}"#, 422),
        (r#"{"source":"a","type":"b","colour":1}"#, 422),
        ("{", 400),
    ] {
        assert_eq!(api.post(event).0, status, "{event}");
    }
    let long = "x".repeat(101);
    let (status, answer) = api.post(&format!(r#"{{"source":"{long}","type":"a"}}"#));
    assert_eq!(status, 400);
    assert_eq!(answer["error"], "invalid source: must be 1 to 100 ASCII letters, digits and -_.:/");
    for limit in ["0", "1001", "-1", "many"] {
        assert_eq!(api.get(&format!("/v1/events?limit={limit}")).0, 400, "{limit}");
    }
    assert_eq!(api.get("/v1/events/none").0, 404);
    assert_eq!(api.get("/v1/events").1, json!([]));
}

#[test]
fn an_event_is_in_the_event_store_before_it_is_in_the_database() {
    let mut store = EventStore::start();
    let api = Api::start_with(&[("EVENT_STORE_URL", &store.url())]);
    let id = api.await_taken();
    let (status, stored) = store.0.get(&format!("/v1/events/{id}"));
    assert_eq!(status, 200);
    assert_eq!([&stored["source"], &stored["type"]], ["shop", "order.paid"]);
    assert_eq!(stored["data"], json!({ "order": 7 }));

    store.kill();
    let again = r#"{"id":"again","source":"shop","type":"order.paid","data":{"order":8}}"#;
    assert_eq!(api.post(again).0, 503);
    assert_eq!(api.get("/v1/events/again").0, 404);
    store.restart();
    assert_eq!(api.post(again).0, 201);
    assert_eq!(store.0.get("/v1/events/again").1["data"], json!({ "order": 8 }));
    // The store already has this event and accepts it again.
    assert_eq!(api.post(again).0, 200);
    assert_eq!(store.0.get("/v1/events").1.as_array().map(Vec::len), Some(2));
}

#[test]
fn a_quota_applies_to_all_instances_that_share_a_redis() {
    let redis = Redis::start();
    let settings = [("REDIS_URL", &*redis.url()), ("EVENTS_PER_MINUTE", "3")];
    let instances = [Api::start_with(&settings), Api::start_with(&settings)];
    let statuses: Vec<_> = instances.iter().cycle().take(7).map(|api| api.post(EVENT).0).collect();
    let with = |status| statuses.iter().filter(|found| **found == status).count() as u64;
    // A new minute may begin meanwhile.
    let minutes = ask(&redis, "KEYS quota:shop:*");
    let minutes = minutes.iter().filter_map(|key| key.strip_prefix("quota:shop:"));
    let counts: Vec<u64> = minutes
        .map(|minute| {
            minute.parse::<u64>().expect("it is a number");
            ask(&redis, &format!("GET quota:shop:{minute}"))[1].parse().expect("it is a number")
        })
        .collect();
    assert_eq!(counts.iter().sum::<u64>(), 7);
    assert_eq!(with(201), counts.iter().map(|count| *count.min(&3)).sum::<u64>(), "{statuses:?}");
    assert_eq!(with(201) + with(429), 7, "{statuses:?}");
    // Another source has its own quota.
    assert_eq!(instances[0].post(r#"{"source":"bank","type":"transfer"}"#).0, 201);
    // Each command to Redis is in the latency histogram of one of the instances.
    let asked = instances.iter().map(|api| {
        api.metrics().value("redis_latency_seconds_count", &[("operation", "MULTI")]).unwrap_or(0.0)
    });
    assert_eq!(asked.sum::<f64>(), 8.0);
}

/// The lines of the reply to one command.
fn ask(redis: &Redis, command: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(redis.address()).expect("Redis listens");
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).expect("Redis reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("Redis answers and closes");
    answer.lines().map(str::to_owned).collect()
}
