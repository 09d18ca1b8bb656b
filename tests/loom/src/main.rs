//! Models of the Tower layer's batches and of the exporter's exemplars. Loom runs them through every interleaving, and lets each load see every value that the
//! memory model allows. Run by `.ci/weekly models`, or by hand: `cargo run --release --manifest-path tests/loom/Cargo.toml`.
//!
//! The models compile the crates' own source, with loom's types in `sync`. Loom does not let a load see a store that is executed
//! later. It therefore cannot check that the store of `flushed` needs release ordering.

#[path = "../../../tower-asdlc-metrics/src/record/batch.rs"]
mod batch;
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub(crate) use loom::thread::yield_now;

    /// Loads before it exchanges. In loom, a failing exchange may see an old value again and again, even after a yield, so that a
    /// waiting thread would never end. A load after a yield sees a newer value. A failing exchange writes nothing, so the
    /// behavior is the same.
    #[derive(Debug, Default)]
    pub(crate) struct AtomicBool(loom::sync::atomic::AtomicBool);

    impl AtomicBool {
        pub(crate) fn compare_exchange(
            &self,
            current: bool,
            new: bool,
            success: Ordering,
            failure: Ordering,
        ) -> Result<bool, bool> {
            let loaded = self.0.load(failure);
            if loaded != current {
                return Err(loaded);
            }
            self.0.compare_exchange(current, new, success, failure)
        }

        pub(crate) fn store(&self, value: bool, order: Ordering) {
            self.0.store(value, order);
        }
    }

    /// Small, so that a batch is full and wraps around after few steps.
    pub(crate) const BATCH_SIZE: usize = 2;
}

#[path = "../../../asdlc-exporter/src/unix_time.rs"]
#[expect(dead_code, reason = "the models have times of their own")]
mod unix_time;

mod exemplars;

use batch::Batch;
use exemplars::buckets::{Buckets, InitialBuckets};
use exemplars::reservoir::Reservoir;
use exemplars::{Exemplar, Moment, SpanIds};
use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

fn main() {
    for Model { name, preemption_bound, run } in MODELS {
        let mut builder = Builder::new();
        builder.preemption_bound = preemption_bound;
        builder.check(run);
        println!("{name}: holds");
    }
}

struct Model {
    name: &'static str,
    /// How often a thread may be preempted. `None` means without a bound, which takes seconds with two threads and does not end
    /// with three.
    preemption_bound: Option<usize>,
    run: fn(),
}

const MODELS: [Model; 7] = [
    Model {
        name: "no value is lost or doubled, with one thread that collects",
        preemption_bound: None,
        run: || all_are_flushed_once(4, 1),
    },
    Model {
        name: "no value is lost or doubled, with two threads that collect",
        preemption_bound: Some(1),
        run: || all_are_flushed_once(3, 2),
    },
    Model {
        name: "a flush waits for the flush of another thread",
        preemption_bound: None,
        run: flush_waits,
    },
    Model {
        name: "another thread flushes the values that were added",
        preemption_bound: None,
        run: values_are_whole,
    },
    Model {
        name: "an exemplar is read as one that was recorded, and the newest is kept",
        preemption_bound: Some(2),
        run: || exemplars_are_whole(true),
    },
    Model {
        name: "the first exemplar is read as one that was recorded, and the newest is kept",
        preemption_bound: Some(2),
        run: || exemplars_are_whole(false),
    },
    Model {
        name: "each of two buckets gets a slot, and its exemplar",
        preemption_bound: Some(2),
        run: exemplars_of_two_buckets_are_kept,
    },
];

/// A thread adds more values than fit into a batch, while other threads flush it.
fn all_are_flushed_once(values: u32, flushers: usize) {
    let batch = Arc::new(Batch::default());
    let others: Vec<_> = (0..flushers)
        .map(|_| {
            let batch = Arc::clone(&batch);
            thread::spawn(move || flush(&batch))
        })
        .collect();
    let mut all = Vec::new();
    for value in (0..values).map(f64::from) {
        if !batch.add(value, |values| all.extend(values)) {
            all.push(value);
        }
    }
    for other in others {
        all.extend(other.join().expect("no panic"));
    }
    all.extend(flush(&batch));
    all.sort_by(f64::total_cmp);
    assert!(all.iter().copied().eq((0..values).map(f64::from)), "{all:?}");
}

/// When `flush` returns, all values that were added before are recorded, even if another thread has recorded them.
fn flush_waits() {
    let batch = Arc::new(Batch::default());
    let count = Arc::new(AtomicUsize::new(0));
    assert!(batch.add(1.0, |_| unreachable!("there is room")));
    let flush = {
        let (batch, count) = (Arc::clone(&batch), Arc::clone(&count));
        move || {
            batch.flush(|values| {
                // Two steps, between which another thread may run.
                let before = count.load(Ordering::Relaxed);
                thread::yield_now();
                count.store(before + values.len(), Ordering::Relaxed);
            });
            assert_eq!(count.load(Ordering::Relaxed), 1);
        }
    };
    let other = thread::spawn(flush.clone());
    flush();
    other.join().expect("no panic");
}

/// No slot is read before it is written, or while it is written again.
fn values_are_whole() {
    let batch = Arc::new(Batch::default());
    let other = {
        let batch = Arc::clone(&batch);
        thread::spawn(move || [flush(&batch), flush(&batch)].concat())
    };
    let mut own = Vec::new();
    for value in [1.0, 2.0, 3.0] {
        if !batch.add(value, |values| own.extend(values)) {
            own.push(value);
        }
    }
    let others = other.join().expect("no panic");
    // Slots contain 0 before the first value.
    assert!(others.iter().chain(&own).all(|value| *value >= 1.0), "{others:?} {own:?}");
    assert!(others.is_sorted(), "in the order in which they were added: {others:?}");
}

/// Two threads record into one bucket, in which there is an exemplar already if `first` says so, while a scrape reads the exemplars.
fn exemplars_are_whole(first: bool) {
    let reservoir = Arc::new(Reservoir::new(Arc::new(Buckets::new(InitialBuckets::One))));
    if first {
        record(&reservoir, 1);
    }
    let others: Vec<_> = [3, 2]
        .map(|number| {
            let reservoir = Arc::clone(&reservoir);
            thread::spawn(move || record(&reservoir, number))
        })
        .into();
    reservoir.for_each(assert_whole);
    others.into_iter().for_each(|other| other.join().expect("no panic"));
    let mut kept = Vec::new();
    reservoir.for_each(|exemplar, []| kept.push(exemplar));
    assert_eq!(kept, [exemplar(3)]);
}

/// Two threads record the first exemplars of two buckets, while a scrape reads them.
fn exemplars_of_two_buckets_are_kept() {
    let buckets = Buckets::new(InitialBuckets::PowersOfTwo);
    let reservoir = Arc::new(Reservoir::new(Arc::new(buckets)));
    let others: Vec<_> = [3, 2]
        .map(|number| {
            let reservoir = Arc::clone(&reservoir);
            thread::spawn(move || record(&reservoir, number))
        })
        .into();
    reservoir.for_each(assert_whole);
    others.into_iter().for_each(|other| other.join().expect("no panic"));
    let mut kept = Vec::new();
    reservoir.for_each(|exemplar, []| kept.push(exemplar));
    kept.sort_by(|a, b| a.value.total_cmp(&b.value));
    assert_eq!(kept, [exemplar(2), exemplar(3)]);
}

fn record(reservoir: &Reservoir, number: u8) {
    let Exemplar { value, time, span } = exemplar(number);
    reservoir.record((value, time), || span, []);
}

/// An exemplar whose parts all have this number.
fn exemplar(number: u8) -> Exemplar<Moment> {
    let span = SpanIds::new([number; 16], [number; 8]);
    Exemplar { value: f64::from(number), time: Moment(number.into()), span }
}

fn assert_whole(read: Exemplar<Moment>, []: [u64; 0]) {
    assert!([1, 2, 3].map(exemplar).contains(&read), "{read:?}");
}

fn flush(batch: &Batch) -> Vec<f64> {
    let mut flushed = Vec::new();
    batch.flush(|values| flushed.extend(values));
    flushed
}
