//! The memory of this process, read at each scrape (feature `process`).
//!
//! ```
//! use asdlc_exporter::{Exporter, process};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("shop").build()?;
//! process::register(&exporter.meter());
//! assert!(exporter.render()?.contains(r#"process_memory_bytes{service="shop",type="rss"} "#));
//! # Ok(()) }
//! ```

use opentelemetry::{KeyValue, metrics::Meter};
use std::sync::{Mutex, PoisonError};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Creates the gauge `process_memory_bytes`, in bytes, with the label `type`.
///
/// `type="rss"` is the memory that is resident in RAM, `type="vms"` the address space that is
/// mapped. Both are read when metrics are collected, never in between, and of this process only. A
/// series is absent where the platform cannot tell.
///
/// One call is enough for a meter provider; a second one reads the same numbers twice.
pub fn register(meter: &Meter) {
    let Some(memory) = Memory::new() else { return };
    meter
        .u64_observable_gauge("process_memory_bytes")
        .with_unit("By")
        .with_description("Memory of this process: resident (rss) and mapped (vms).")
        .with_callback(move |observer| {
            for (kind, bytes) in memory.read() {
                observer.observe(bytes, &[KeyValue::new("type", kind)]);
            }
        })
        .build();
}

struct Memory {
    pid: Pid,
    system: Mutex<System>,
}

impl Memory {
    fn new() -> Option<Self> {
        Some(Self {
            pid: sysinfo::get_current_pid().ok()?,
            system: Mutex::new(System::new().ok()?),
        })
    }

    /// Resident and mapped bytes. No process has 0 of either: that is how a platform says it cannot
    /// tell.
    fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[self.pid]),
            false,
            ProcessRefreshKind::nothing().with_memory().without_tasks(),
        );
        let (rss, vms) = system
            .process(self.pid)
            .map_or((0, 0), |process| (process.memory(), process.virtual_memory()));
        [("rss", rss), ("vms", vms)].into_iter().filter(|(_, bytes)| *bytes > 0)
    }
}
