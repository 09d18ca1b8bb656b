//! 100 000 tasks on a multi-threaded runtime, which end in every possible way: each is counted, and no state is left.

mod support;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use support::{Metrics, panic_now};
use tracing::{Instrument, info_span};
use tracing_asdlc_metrics::{Metered, Outcome, Rule, SpanDuration};

//
#[test]
fn each_task_is_counted_with_its_outcome_and_memory_does_not_grow() {
    let metrics = Metrics::new();
    let rules = [
        Rule::span("task")
            .with_in_flight("open_tasks")
            .with_opened_counter("tasks_started_total")
            .with_counter("tasks_total")
            .with_duration("task_seconds")
            .with_label("kind")
            .with_outcome(Outcome::label("outcome")),
        Rule::span("step")
            .with_in_flight("open_steps")
            .with_counter("steps_total")
            .with_duration("step_seconds")
            .with_span_duration(SpanDuration::Busy)
            .with_label(tracing_asdlc_metrics::Label::field("kind").with_inheritance()),
    ];
    // The global default, because the tasks run on the runtime's threads.
    tracing::subscriber::set_global_default(metrics.subscriber(rules)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();

    let mut happened = BTreeMap::new();
    let mut memory = Vec::new();
    for round in 0..20 {
        runtime.block_on(round_of_tasks(round, &mut happened));
        memory.push(resident_bytes());
    }
    assert_eq!(happened.values().sum::<f64>(), 100_000.0);
    assert_eq!(happened.len(), KINDS as usize * 4, "every outcome of every kind: {happened:?}");

    assert_eq!(metrics.values("tasks"), happened);
    assert_eq!(metrics.values("task"), happened);
    assert_eq!(metrics.count("tasks_started"), 100_000);
    assert_eq!(metrics.count("steps"), metrics.count("step"));
    assert!(metrics.count("steps") > 50_000);
    assert!(metrics.values("steps").keys().all(|labels| labels.starts_with("kind=")));
    for gauge in ["open_tasks", "open_steps"] {
        let open = metrics.values(gauge);
        assert!(
            open.len() == KINDS as usize && open.values().all(|n| *n == 0.0),
            "{gauge}: {open:?}"
        );
    }
    // All rounds reuse the memory of the first one. A leak of one span state (64 bytes) for each span would be 20 MB.
    if let (Some(first), Some(last)) = (memory[0], memory[19]) {
        assert!(last < first + 3_000_000, "{memory:?}");
    }
}

/// Runs 5000 tasks, and adds how they ended to `happened`, by the labels that the metric should have.
async fn round_of_tasks(round: u64, happened: &mut BTreeMap<String, f64>) {
    let mut random = Random(round * 1_000_000 + 1);
    let mut tasks = Vec::new();
    for _ in 0..5_000 {
        let kind = random.below(KINDS);
        let fate = Fate { ends_at: random.below(4), end: random.below(4), panics: random.below(2) };
        let span = info_span!("task", kind);
        let task = tokio::spawn(work(fate).metered(span));
        if random.below(10) == 0 {
            // The task may have ended already.
            task.abort();
        }
        tasks.push((kind, task));
    }
    for (kind, task) in tasks {
        let outcome = match task.await {
            Ok(Ok(())) => "success",
            Ok(Err(())) => "failed",
            Err(error) if error.is_panic() => "panicked",
            Err(_) => "cancelled",
        };
        *happened.entry(format!("kind={kind},outcome={outcome}")).or_default() += 1.0;
    }
}

async fn work(fate: Fate) -> Result<(), ()> {
    for at in 0..=fate.ends_at {
        let step = async {
            Yield(false).await;
            if at == fate.ends_at && fate.end == 0 && fate.panics == 0 {
                panic_now();
            }
        };
        step.instrument(info_span!("step")).await;
    }
    if fate.end == 1 { Err(()) } else { Ok(()) }
}

struct Fate {
    ends_at: u64,
    end: u64,
    panics: u64,
}

/// Yields once to other tasks, and to an abort.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// `SplitMix64`, which gives the same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % limit
    }
}

/// The resident memory of the process; `None` without `/proc`.
fn resident_bytes() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4_096)
}

const KINDS: u64 = 5;
