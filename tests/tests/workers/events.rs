//! The outcomes of events in the stream.

use asdlc_tests::example::Example;
use asdlc_tests::servers::Redis;
use asdlc_tests::wait::{DEADLINE, eventually};
use redis::TypedCommands;
use redis::streams::StreamReadOptions;
use serde_json::Value;

use super::pool::{
    GROUP, Processed, STREAM, StreamNumbers, add, await_processed, connect, post, stats,
    stream_numbers, worker_of,
};

#[test]
fn a_worker_carries_out_a_task_of_the_orchestrator_and_writes_its_outcome() {
    let redis = Redis::start();
    let orchestrator = Example::start_with("orchestrator", &[("REDIS_URL", &redis.url())]);
    let worker = worker_of(&redis);
    let mut connection = orchestrator.connect();
    for (kind, input) in [("word_count", "to be"), ("wait", "50"), ("fail", "out of luck")] {
        let body = format!(r#"{{"kind":"{kind}","input":"{input}"}}"#);
        assert_eq!(connection.post_json("/api/v1/tasks", &body).status(), 202);
    }
    let expected = [
        r#"{"id":1,"kind":"word_count","state":"succeeded","result":"2"}"#,
        r#"{"id":2,"kind":"wait","state":"succeeded","result":"waited 50ms"}"#,
        r#"{"id":3,"kind":"fail","state":"failed","error":"out of luck"}"#,
    ];
    for (id, expected) in (1..).zip(expected) {
        assert_eq!(connection.get(&format!("/api/v1/tasks/{id}/wait")).body(), expected);
    }
    let list: Vec<Value> =
        serde_json::from_slice(connection.get("/api/v1/tasks").body()).expect("the body is JSON");
    assert_eq!(list.len(), 3);
    assert_eq!(connection.get("/api/v1/tasks/4").status(), 404);
    assert_eq!(await_processed(&worker, 3.0), Processed { success: 2.0, failed: 1.0 });
    // O-06 W-05
    for (service, operation) in [(&orchestrator, "MULTI"), (&worker, "MULTI")] {
        let labels = [("operation", operation)];
        let count = service.scrape().value("asdlc_redis_latency_seconds_count", &labels);
        assert_eq!(count, Some(3.0), "of {operation}");
    }
}

// W-03
#[test]
fn an_invalid_event_is_counted_as_failed_and_removed_from_the_stream() {
    let redis = Redis::start();
    let mut connection = connect(&redis);
    let worker = worker_of(&redis);
    for work in ["", "{}", r#"{"kind":"dance","input":""}"#, r#"{"kind":"wait","input":"x"}"#] {
        connection.xadd(STREAM, "*", &[("work", work)]).expect("Redis accepts it");
    }
    connection.xadd(STREAM, "*", &[("not", "work")]).expect("Redis accepts it");
    assert_eq!(await_processed(&worker, 5.0), Processed { success: 0.0, failed: 5.0 });
    let numbers = StreamNumbers { added: 5, length: 0, pending: 0 };
    assert_eq!(stream_numbers(&mut connection), numbers);
}

#[test]
fn events_from_before_the_first_worker_are_processed() {
    let redis = Redis::start();
    let mut connection = connect(&redis);
    for _ in 0..10 {
        add(&mut connection, "word_count", "early");
    }
    let worker = worker_of(&redis);
    assert_eq!(await_processed(&worker, 10.0), Processed { success: 10.0, failed: 0.0 });
}

// W-03
#[test]
fn an_event_that_three_workers_did_not_finish_is_failed_and_not_tried_again() {
    let redis = Redis::start();
    let mut connection = connect(&redis);
    connection.xgroup_create_mkstream(STREAM, GROUP, "0").expect("Redis creates it");
    add(&mut connection, "word_count", "poison");
    add(&mut connection, "word_count", "bad luck");
    let first = StreamReadOptions::default().group(GROUP, "first");
    let read = connection.xread_options(&[STREAM], &[">"], &first).expect("Redis replies");
    let read = read.expect("there are events");
    let ids: Vec<_> = read.keys[0].ids.iter().map(|event| event.id.clone()).collect();
    for worker in ["second", "third"] {
        connection.xclaim(STREAM, GROUP, worker, 0, &ids[..1]).expect("Redis replies");
    }
    let worker = worker_of(&redis);
    assert_eq!(await_processed(&worker, 2.0), Processed { success: 1.0, failed: 1.0 });
    assert_eq!(stream_numbers(&mut connection).pending, 0);
}

#[test]
fn a_long_event_is_not_taken_over_from_a_live_worker() {
    let redis = Redis::start();
    let mut connection = connect(&redis);
    let workers = [worker_of(&redis), worker_of(&redis)];
    // Four times as long as a worker may go without a heartbeat.
    add(&mut connection, "wait", "4000");
    let processed = || {
        let [one, other] = &workers;
        Processed::of(&one.scrape()) + Processed::of(&other.scrape())
    };
    assert!(eventually(DEADLINE, || processed().total() > 0.0));
    assert_eq!(processed(), Processed { success: 1.0, failed: 0.0 });
    let log = workers.map(|worker| {
        worker.terminate();
        worker.finish().stderr.join("\n")
    });
    assert!(log.iter().all(|log| !log.contains("taken over")), "{log:?}");
}

#[test]
fn events_can_be_posted_only_without_redis_and_only_if_they_are_valid() {
    let redis = Redis::start();
    let worker = worker_of(&redis);
    let response = worker.connect().post_json("/events", r#"{"kind":"wait","input":"1"}"#);
    assert_eq!(response.status(), 409);
    let alone = super::pool::alone();
    let mut connection = alone.connect();
    for body in ["", "{}", r#"{"kind":"dance","input":""}"#, r#"{"kind":"wait","input":"-1"}"#] {
        assert_eq!(connection.post_json("/events", body).status(), 400, "{body}");
    }
    assert_eq!(connection.get("/events").status(), 405);
    post(&alone, "checksum", "Wikipedia");
    await_processed(&alone, 1.0);
    assert_eq!(Processed::in_stats(&stats(&alone)).total(), 1.0);
}
