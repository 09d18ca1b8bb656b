//! Models of the Tower layer's batches: loom runs them through every interleaving, and every value that the memory model lets
//! a load see. `.ci/weekly models` does that; by hand: `cargo run --release --manifest-path tests/loom/Cargo.toml`.
//!
//! The source is the layer's own. What it takes from `crate::sync` is loom's here. What loom cannot do is to let a load see a
//! store that comes after it, which the release of `told` is there to forbid.

#[path = "../../../tower-asdlc-metrics/src/record/batch.rs"]
mod batch;
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub(crate) use loom::thread::yield_now;

    /// Loads before it exchanges: loom lets a failing exchange see an old value again and again, also after a yield, and a
    /// thread that waits would do so for ever. A load after a yield sees another one. For a failing exchange, which writes
    /// nothing, that is the same.
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

    /// As few as are full, and wrap around, after few steps.
    pub(crate) const BATCH_SIZE: usize = 2;
}

use batch::Batch;
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
    /// How often a thread may be interrupted. None: as often as can be, which takes seconds with two threads and for ever
    /// with three.
    preemption_bound: Option<usize>,
    run: fn(),
}

const MODELS: [Model; 4] = [
    Model {
        name: "no value is lost or doubled, with one thread that collects",
        preemption_bound: None,
        run: || all_are_told_once(4, 1),
    },
    Model {
        name: "no value is lost or doubled, with two threads that collect",
        preemption_bound: Some(1),
        run: || all_are_told_once(3, 2),
    },
    Model {
        name: "to have told is to have waited for who was telling",
        preemption_bound: None,
        run: telling_waits,
    },
    Model {
        name: "values that one thread added are told by another as they are",
        preemption_bound: None,
        run: values_are_whole,
    },
];

/// A thread adds more than there is room for, and others tell meanwhile.
fn all_are_told_once(values: u32, tellers: usize) {
    let batch = Arc::new(Batch::default());
    let others: Vec<_> = (0..tellers)
        .map(|_| {
            let batch = Arc::clone(&batch);
            thread::spawn(move || told(&batch))
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
    all.extend(told(&batch));
    all.sort_by(f64::total_cmp);
    assert!(all.iter().copied().eq((0..values).map(f64::from)), "{all:?}");
}

/// Whoever returns from `tell` can rely on it that what was added before is where it belongs, whoever told it.
fn telling_waits() {
    let batch = Arc::new(Batch::default());
    let count = Arc::new(AtomicUsize::new(0));
    assert!(batch.add(1.0, |_| unreachable!("there is room")));
    let tell = {
        let (batch, count) = (Arc::clone(&batch), Arc::clone(&count));
        move || {
            batch.tell(|values| {
                // Two steps, between which another thread may come.
                let before = count.load(Ordering::Relaxed);
                thread::yield_now();
                count.store(before + values.len(), Ordering::Relaxed);
            });
            assert_eq!(count.load(Ordering::Relaxed), 1);
        }
    };
    let other = thread::spawn(tell.clone());
    tell();
    other.join().expect("no panic");
}

/// No slot is read before it is written, or while it is written again.
fn values_are_whole() {
    let batch = Arc::new(Batch::default());
    let other = {
        let batch = Arc::clone(&batch);
        thread::spawn(move || [told(&batch), told(&batch)].concat())
    };
    let mut own = Vec::new();
    for value in [1.0, 2.0, 3.0] {
        if !batch.add(value, |values| own.extend(values)) {
            own.push(value);
        }
    }
    let others = other.join().expect("no panic");
    // 0 is what a slot has before.
    assert!(others.iter().chain(&own).all(|value| *value >= 1.0), "{others:?} {own:?}");
    assert!(others.is_sorted(), "in the order in which they were added: {others:?}");
}

fn told(batch: &Batch) -> Vec<f64> {
    let mut told = Vec::new();
    batch.tell(|values| told.extend(values));
    told
}
