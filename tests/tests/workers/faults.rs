//! Redis is killed, frozen and restarted while the programs run.

use std::time::{Duration, Instant};

use asdlc_tests::example::Example;
use asdlc_tests::servers::Redis;
use asdlc_tests::wait::{DEADLINE, eventually};

use super::pool::{Processed, await_processed, connect, stream_numbers, worker_of};

fn up(program: &Example) -> Option<f64> {
    program.scrape().value("asdlc_redis_connection_up", &[])
}

fn submit(orchestrator: &Example) -> u16 {
    let body = r#"{"kind":"word_count","input":"to be"}"#;
    orchestrator.connect().post_json("/api/v1/tasks", body).status().as_u16()
}

/// Submits until `tasks` tasks were accepted. A task with an error may be accepted too, if only the response was lost.
fn submit_until_accepted(orchestrator: &Example, tasks: usize) {
    let mut accepted = 0;
    assert!(eventually(DEADLINE, || {
        accepted += usize::from(submit(orchestrator) == 202);
        accepted == tasks
    }));
}

// O-06 W-05
#[test]
fn a_killed_redis_is_reported_and_used_again_and_no_event_is_lost() {
    // With this option a restarted Redis has everything that it acknowledged.
    let mut redis = Redis::start_with(&["--appendfsync", "always"]);
    let orchestrator = Example::start_with("orchestrator", &[("REDIS_URL", &redis.url())]);
    let worker = worker_of(&redis);
    submit_until_accepted(&orchestrator, 20);
    assert_eq!((up(&orchestrator), up(&worker)), (Some(1.0), Some(1.0)));

    redis.kill();
    assert_eq!((up(&orchestrator), up(&worker)), (Some(0.0), Some(0.0)));
    assert_eq!(submit(&orchestrator), 503);
    assert_eq!(orchestrator.connect().get("/ready").status(), 503);
    assert_eq!(orchestrator.connect().get("/health").status(), 200);
    assert_eq!(worker.connect().get("/health").status(), 200);

    redis.restart();
    assert!(eventually(DEADLINE, || (up(&orchestrator), up(&worker)) == (Some(1.0), Some(1.0))));
    submit_until_accepted(&orchestrator, 20);
    assert!(eventually(DEADLINE, || orchestrator.connect().get("/ready").status() == 200));
    assert_all_processed(&redis, &worker, 40);
}

// O-06 W-05
#[test]
fn a_frozen_redis_is_reported_within_the_timeout_and_used_again_after_thawing() {
    let redis = Redis::start();
    let orchestrator = Example::start_with("orchestrator", &[("REDIS_URL", &redis.url())]);
    let worker = worker_of(&redis);
    submit_until_accepted(&orchestrator, 5);
    await_processed(&worker, 5.0);

    redis.process().freeze();
    for program in [&orchestrator, &worker] {
        let start = Instant::now();
        assert_eq!(up(program), Some(0.0));
        // The timeout of the check is one second. The rest is for a busy machine.
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
    assert_eq!(submit(&orchestrator), 503);

    redis.process().thaw();
    assert!(eventually(DEADLINE, || (up(&orchestrator), up(&worker)) == (Some(1.0), Some(1.0))));
    submit_until_accepted(&orchestrator, 5);
    assert_all_processed(&redis, &worker, 10);
}

/// Checks that all events that Redis counts are processed, and that there are at least `at_least`.
#[track_caller]
fn assert_all_processed(redis: &Redis, worker: &Example, at_least: usize) {
    let mut connection = connect(redis);
    let drained = eventually(DEADLINE, || {
        let numbers = stream_numbers(&mut connection);
        (numbers.length, numbers.pending) == (0, 0)
    });
    let numbers = stream_numbers(&mut connection);
    assert!(drained && numbers.added >= at_least, "{numbers:?}");
    let processed = await_processed(worker, numbers.added as f64);
    assert_eq!(processed, Processed { success: numbers.added as f64, failed: 0.0 });
}
