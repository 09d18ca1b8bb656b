//! A Redis that is killed, frozen and restarted while the programs run.

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

/// Submits until so many tasks were taken. One that was refused may have been taken all the same: its answer was lost.
fn submit_until_taken(orchestrator: &Example, tasks: usize) {
    let mut taken = 0;
    assert!(eventually(DEADLINE, || {
        taken += usize::from(submit(orchestrator) == 202);
        taken == tasks
    }));
}

// O-06 W-05
#[test]
fn a_killed_redis_is_seen_survived_and_used_again_and_no_event_is_lost() {
    // What it has acknowledged it still has when it comes back.
    let mut redis = Redis::start_with(&["--appendfsync", "always"]);
    let orchestrator = Example::start_with("orchestrator", &[("REDIS_URL", &redis.url())]);
    let worker = worker_of(&redis);
    submit_until_taken(&orchestrator, 20);
    assert_eq!((up(&orchestrator), up(&worker)), (Some(1.0), Some(1.0)));

    redis.kill();
    assert_eq!((up(&orchestrator), up(&worker)), (Some(0.0), Some(0.0)));
    assert_eq!(submit(&orchestrator), 503);
    assert_eq!(orchestrator.connect().get("/ready").status(), 503);
    assert_eq!(orchestrator.connect().get("/health").status(), 200);
    assert_eq!(worker.connect().get("/health").status(), 200);

    redis.restart();
    assert!(eventually(DEADLINE, || (up(&orchestrator), up(&worker)) == (Some(1.0), Some(1.0))));
    submit_until_taken(&orchestrator, 20);
    assert!(eventually(DEADLINE, || orchestrator.connect().get("/ready").status() == 200));
    all_is_processed(&redis, &worker, 40);
}

// O-06 W-05
#[test]
fn a_frozen_redis_is_seen_within_the_bound_and_used_again_when_it_thaws() {
    let redis = Redis::start();
    let orchestrator = Example::start_with("orchestrator", &[("REDIS_URL", &redis.url())]);
    let worker = worker_of(&redis);
    submit_until_taken(&orchestrator, 5);
    await_processed(&worker, 5.0);

    redis.process().freeze();
    for program in [&orchestrator, &worker] {
        let start = Instant::now();
        assert_eq!(up(program), Some(0.0));
        // The check has one second; the rest is for a busy machine.
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
    assert_eq!(submit(&orchestrator), 503);

    redis.process().thaw();
    assert!(eventually(DEADLINE, || (up(&orchestrator), up(&worker)) == (Some(1.0), Some(1.0))));
    submit_until_taken(&orchestrator, 5);
    all_is_processed(&redis, &worker, 10);
}

/// As many as Redis says were added, and at least so many.
#[track_caller]
fn all_is_processed(redis: &Redis, worker: &Example, at_least: usize) {
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
