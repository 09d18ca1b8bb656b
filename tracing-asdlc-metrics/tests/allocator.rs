//! The program's allocator may emit events: the layer holds no lock while it allocates. The allocator is global to the process.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use support::{LONG, Metrics};
use tracing::{debug, info};
use tracing_asdlc_metrics::{Label, Rule};
use tracing_subscriber::layer::{Identity, SubscriberExt};

// X-02, a neighbour: the entries of the tables of label values, series and callsites are allocated.
#[test]
fn an_allocator_that_emits_events_does_not_deadlock() {
    let metrics = Metrics::new();
    let rule = |target| {
        let rule = Rule::events().with_target(target).with_counter("events_total");
        rule.with_label(Label::field("value").with_max_values(1_000))
    };
    let layer = metrics.layer([rule("event"), rule("allocation")]);
    // A layer without a filter, so that the events that no rule matches are enabled too.
    let subscriber = tracing_subscriber::registry().with(layer).with(Identity::new());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    // The first event registers the callsite.
    emit_new_value(0);

    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        for value in 0..50 {
            emits(emit_new_value, || info!(target: "event", value));
        }
        emits(emit_new_callsite, || info!(target: "event", value = "new callsite"));
        done.send(()).unwrap();
    });
    finished.recv_timeout(LONG).expect("neither a deadlock nor a panic");
    let values = metrics.values("events");
    let events = values.iter().filter(|(labels, _)| !labels.starts_with("value=allocation"));
    assert_eq!(events.map(|(_, count)| count).sum::<f64>(), 51.0, "{values:?}");
    assert!(values.len() > 51 + 50, "the events of the allocator are counted too: {values:?}");
}

/// Emits an event for the allocation with this number.
type Emit = fn(usize);

/// Runs the code on this thread, with an allocator that calls `emit` with the number of the allocation.
fn emits(emit: Emit, run: impl FnOnce()) {
    EMIT.set(Some((emit, 0)));
    run();
    EMIT.set(None);
}

/// Emits an event with a label value that the layer does not know yet.
fn emit_new_value(_: usize) {
    static EVENTS: AtomicUsize = AtomicUsize::new(0);
    let event = EVENTS.fetch_add(1, Ordering::Relaxed);
    info!(target: "allocation", value = format_args!("allocation {event}"));
}

/// Emits an event of a callsite that the layer does not know yet.
fn emit_new_callsite(allocation: usize) {
    macro_rules! emit {
        ($($number:literal)*) => {
            match allocation {
                $($number => debug!(target: "unmatched", "allocation"),)*
                _ => {}
            }
        };
    }
    emit!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
}

thread_local! {
    static EMIT: Cell<Option<(Emit, usize)>> = const { Cell::new(None) };
}

struct EmitsEvents;

#[global_allocator]
static ALLOCATOR: EmitsEvents = EmitsEvents;

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: all memory is that of the system's allocator.
unsafe impl GlobalAlloc for EmitsEvents {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Taken, so that the allocations of the event emit no events.
        if let Some((emit, allocation)) = EMIT.take() {
            emit(allocation);
            EMIT.set(Some((emit, allocation + 1)));
        }
        // SAFETY: the caller upholds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of `dealloc`, and `alloc` took the memory from `System`.
        unsafe { System.dealloc(memory, layout) }
    }
}
