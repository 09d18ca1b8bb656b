//! The orchestrator, Redis and two workers, one of which is killed. The numbers of all of them agree.

use std::thread;

use asdlc_tests::example::Example;
use asdlc_tests::servers::Redis;
use asdlc_tests::wait::{DEADLINE, eventually};
use redis::TypedCommands;

use super::pool::{Processed, StreamNumbers, connect, stats, stream_numbers, worker_of};

/// Submits `tasks` tasks over several concurrent connections. One of a hundred fails.
fn submit(orchestrator: &Example, tasks: usize) {
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = orchestrator.connect();
                for task in 0..tasks / CLIENTS {
                    let kind = if task % 100 == 0 { "fail" } else { "word_count" };
                    let body = format!(r#"{{"kind":"{kind}","input":"to be or not to be"}}"#);
                    assert_eq!(connection.post_json("/api/v1/tasks", &body).status(), 202);
                }
            });
        }
    });
}

fn wait_for(orchestrator: &Example, milliseconds: &str) {
    let body = format!(r#"{{"kind":"wait","input":"{milliseconds}"}}"#);
    assert_eq!(orchestrator.connect().post_json("/api/v1/tasks", &body).status(), 202);
}

// W-01 W-02 W-03 O-06
#[test]
fn each_of_20_000_events_is_counted_once_although_a_worker_is_killed() {
    let redis = Redis::start();
    let orchestrator = Example::start_with("orchestrator", &[("REDIS_URL", &redis.url())]);
    let (survivor, victim) = (worker_of(&redis), worker_of(&redis));
    let processed = |worker: &Example| Processed::of(&worker.scrape());

    submit(&orchestrator, EVENTS / 2);
    let half = (EVENTS / 2) as f64;
    let both = || (processed(&survivor) + processed(&victim)).total();
    assert!(eventually(DEADLINE * 4, || both() == half), "{} of {half}", both());
    // Every worker of both pools is now busy, so the counters of the victim do not change until it is killed.
    for _ in 0..WAITS {
        wait_for(&orchestrator, "8000");
    }
    let mut last = None;
    assert!(eventually(DEADLINE, || {
        let scrape = victim.scrape();
        last = Some(Processed::of(&scrape));
        scrape.value("asdlc_active_workers", &[]) == Some(4.0)
    }));
    victim.process().kill();
    let counted_by_victim = last.expect("it was scraped");
    submit(&orchestrator, EVENTS / 2);

    let mut connection = connect(&redis);
    let drained = eventually(DEADLINE * 4, || {
        let numbers = stream_numbers(&mut connection);
        (numbers.length, numbers.pending) == (0, 0)
    });
    let all = EVENTS + WAITS;
    let numbers = stream_numbers(&mut connection);
    assert_eq!(numbers, StreamNumbers { added: all, length: 0, pending: 0 });
    assert!(drained);

    // A worker writes the outcome of a task together with the acknowledgement of its event.
    let outcomes = outcomes(&mut connection, all);
    assert_eq!(
        outcomes,
        Processed { success: (all - EVENTS / 100) as f64, failed: (EVENTS / 100) as f64 }
    );
    // An event is counted after it is acknowledged.
    assert!(eventually(DEADLINE, || counted_by_victim + processed(&survivor) == outcomes));
    assert_eq!(counted_by_victim + Processed::in_stats(&stats(&survivor)), outcomes);
    assert!(counted_by_victim.total() > 0.0);
    assert_eq!(survivor.scrape().value("asdlc_active_workers", &[]), Some(0.0));
    let published = [("endpoint", "/api/v1/tasks"), ("status", "202")];
    let requests = orchestrator.scrape().value("asdlc_http_requests_total", &published);
    assert_eq!(requests, Some(all as f64));
    survivor.terminate();
    let log = survivor.finish().stderr.join("\n");
    assert_eq!(log.matches("taken over from a worker that stopped").count(), 4, "{log}");
}

fn outcomes(connection: &mut redis::Connection, tasks: usize) -> Processed {
    let mut outcomes = Processed::default();
    for task in 1..=tasks {
        let state =
            connection.hget(format!("asdlc:task:{task}"), "state").expect("the server responds");
        match state.as_deref() {
            Some("succeeded") => outcomes.success += 1.0,
            Some("failed") => outcomes.failed += 1.0,
            other => panic!("task {task} is {other:?}"),
        }
    }
    outcomes
}

const EVENTS: usize = 20_000;
const CLIENTS: usize = 4;
/// The number of workers in both pools.
const WAITS: usize = 8;
