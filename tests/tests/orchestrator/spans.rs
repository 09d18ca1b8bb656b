//! The metrics of the spans around tasks.

use asdlc_tests::example::Example;

use super::traffic::{Client, TASKS};

const PROCESSED: &str = "asdlc_tasks_processed_total";

// O-08
#[test]
fn every_finished_task_is_counted_and_timed_once() {
    let orchestrator = Example::start("orchestrator");
    let mut client = Client::of(&orchestrator);
    for _ in 0..5 {
        client.run_task("word_count", "one two three");
        client.run_task("checksum", "one two three");
    }
    // A rejected request creates no task.
    client.post(r#"{"kind":"no_such_kind","input":""}"#, 422);
    client.get(TASKS, TASKS, 200);
    let scrape = client.sent.assert_counted(&orchestrator);
    assert_eq!(scrape.value(PROCESSED, &[("service", "orchestrator")]), Some(10.0));
    assert_eq!(scrape.value("asdlc_task_duration_seconds_count", &[]), Some(10.0));
}

#[test]
fn the_duration_of_a_task_is_that_of_its_work() {
    let orchestrator = Example::start("orchestrator");
    let mut client = Client::of(&orchestrator);
    let start = std::time::Instant::now();
    client.run_task("wait", "250");
    let observed = start.elapsed().as_secs_f64();
    let sum =
        orchestrator.scrape().value("asdlc_task_duration_seconds_sum", &[]).expect("it was timed");
    assert!((0.25..=observed).contains(&sum), "{sum} of {observed} observed");
}

#[test]
fn tasks_are_counted_at_every_log_level() {
    for log in ["off", "error", "trace"] {
        let orchestrator = Example::start_with("orchestrator", &[("RUST_LOG", log)]);
        let mut client = Client::of(&orchestrator);
        client.run_task("word_count", "one two three");
        assert_eq!(orchestrator.scrape().value(PROCESSED, &[]), Some(1.0), "RUST_LOG={log}");
    }
}
