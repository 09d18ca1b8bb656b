//! Memory, CPU time, files and threads of this process, read at each scrape (feature `process`).
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
//!
//! More than memory is chosen with [`ProcessMetrics`]. Everything is read when metrics are
//! collected, never in between, once for all families, and of this process only. A series is absent
//! where the platform does not provide the value. On Linux the process is the one that `/proc/self`
//! names. So the values are correct even if `/proc` belongs to another PID namespace.

mod cpu_usage;
mod platform;
mod source;

use self::source::{Reading, Source, Wanted};
use crate::collect::shared_read::SharedRead;
use opentelemetry::{KeyValue, metrics::Meter};
use std::{sync::Arc, time::Duration};

/// Creates the gauge `process_memory_bytes`, in bytes, with the label `type`.
///
/// `type="rss"` is the memory that is resident in RAM, `type="vms"` the address space that is
/// mapped. The same as [`ProcessMetrics::new`] with [`Memory::ByType`].
///
/// One call is enough for a meter provider; a second one reads the same numbers twice.
pub fn register(meter: &Meter) {
    ProcessMetrics::new().with_memory(Memory::ByType).register(meter);
}

/// Which metrics of this process to serve: none, until they are chosen.
///
/// ```
/// use asdlc_exporter::{Exporter, process::{Memory, ProcessMetrics}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("agent").build()?;
/// ProcessMetrics::new()
///     .with_memory(Memory::Resident)
///     .with_cpu_usage()
///     .with_canonical()
///     .register(&exporter.meter());
///
/// let text = exporter.render()?;
/// assert!(text.contains(r#"process_memory_bytes{service="agent"} "#));
/// assert!(text.contains(r#"process_cpu_usage{service="agent"} "#));
/// assert!(text.contains(r#"process_cpu_seconds_total{service="agent"} "#));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "nothing is served before `register`"]
pub struct ProcessMetrics {
    memory: Option<Memory>,
    cpu_usage: bool,
    canonical: bool,
}

/// The two forms of the gauge `process_memory_bytes`; they are one family, so that there is one of
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// One series without a label: the bytes that are resident in RAM.
    Resident,
    /// `type="rss"`, the bytes that are resident in RAM, and `type="vms"`, the bytes of address
    /// space that are mapped.
    ByType,
}

impl ProcessMetrics {
    /// Chooses nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The gauge `process_memory_bytes`.
    pub fn with_memory(mut self, memory: Memory) -> Self {
        self.memory = Some(memory);
        self
    }

    /// The gauge `process_cpu_usage` in percent: 100 is one core that was busy all the time, more
    /// is more than one core.
    ///
    /// It is the CPU time between this scrape and the last one that is a second old or more; the
    /// first time, since [`register`](Self::register). Scrapes within that second repeat the value,
    /// because CPU time is counted in ticks of 10 ms. The gauge depends on who scrapes, and how
    /// often: `rate(process_cpu_seconds_total[5m])` does not.
    pub fn with_cpu_usage(mut self) -> Self {
        self.cpu_usage = true;
        self
    }

    /// The families that Prometheus client libraries have in common, under the names that their
    /// dashboards expect:
    ///
    /// | family | type | |
    /// |---|---|---|
    /// | `process_cpu_seconds_total` | counter | CPU time in user and system mode |
    /// | `process_resident_memory_bytes` | gauge | bytes that are resident in RAM |
    /// | `process_virtual_memory_bytes` | gauge | bytes of address space that are mapped |
    /// | `process_open_fds` | gauge | open file descriptors |
    /// | `process_max_fds` | gauge | how many may be open; absent when that is unlimited |
    /// | `process_start_time_seconds` | gauge | start of the process, since 1970, in whole seconds |
    /// | `process_threads` | gauge | threads; only on Linux |
    pub fn with_canonical(mut self) -> Self {
        self.canonical = true;
        self
    }

    /// Creates the instruments that were chosen.
    ///
    /// One call is enough for a meter provider; a second one reads the same numbers twice. Where
    /// the platform does not let a process see itself, nothing is created.
    pub fn register(self, meter: &Meter) {
        let Self { memory, cpu_usage, canonical } = self;
        let wanted = Wanted { cpu: cpu_usage || canonical, files_and_threads: canonical };
        let Some(mut source) = Source::new(wanted) else { return };
        let mut instruments = Instruments {
            meter,
            source: Arc::new(SharedRead::new(move || source.read())),
            callbacks: 0,
        };
        match memory {
            Some(Memory::ByType) => instruments.memory_by_type(),
            Some(Memory::Resident) => {
                let help = "Memory of this process that is resident in RAM.";
                instruments.gauge("process_memory_bytes", "By", help, |read| read.resident);
            }
            None => {}
        }
        if cpu_usage {
            instruments.cpu_usage();
        }
        if canonical {
            instruments.canonical();
        }
    }
}

/// Creates instruments that share one source.
struct Instruments<'a> {
    meter: &'a Meter,
    source: Arc<SharedRead<Reading>>,
    callbacks: u32,
}

impl Instruments<'_> {
    fn memory_by_type(&mut self) {
        let read = self.reader();
        self.meter
            .u64_observable_gauge("process_memory_bytes")
            .with_unit("By")
            .with_description("Memory of this process: resident (rss) and mapped (vms).")
            .with_callback(move |observer| {
                let reading = read();
                for (kind, bytes) in [("rss", reading.resident), ("vms", reading.mapped)] {
                    if let Some(bytes) = bytes {
                        observer.observe(bytes, &[KeyValue::new("type", kind)]);
                    }
                }
            })
            .build();
    }

    // The unit is not given to OpenTelemetry: N-01 wants the name without `_percent`.
    fn cpu_usage(&mut self) {
        let read = self.reader();
        self.meter
            .f64_observable_gauge("process_cpu_usage")
            .with_description("CPU use of this process in percent of one core, between scrapes.")
            .with_callback(move |observer| {
                if let Some(percent) = read().cpu_percent {
                    observer.observe(percent, &[]);
                }
            })
            .build();
    }

    fn canonical(&mut self) {
        let read = self.reader();
        self.meter
            .f64_observable_counter("process_cpu_seconds_total")
            .with_unit("s")
            .with_description("CPU time of this process, user and system.")
            .with_callback(move |observer| {
                if let Some(cpu) = read().cpu.as_ref().map(Duration::as_secs_f64) {
                    observer.observe(cpu, &[]);
                }
            })
            .build();
        for (name, unit, help, value) in GAUGES {
            self.gauge(name, unit, help, value);
        }
    }

    fn gauge(
        &mut self,
        name: &'static str,
        unit: &'static str,
        help: &'static str,
        value: fn(Reading) -> Option<u64>,
    ) {
        let read = self.reader();
        self.meter
            .u64_observable_gauge(name)
            .with_unit(unit)
            .with_description(help)
            .with_callback(move |observer| {
                if let Some(value) = value(read()) {
                    observer.observe(value, &[]);
                }
            })
            .build();
    }

    /// What one callback reads with.
    fn reader(&mut self) -> impl Fn() -> Reading + Send + Sync + 'static {
        let (source, callback) = (Arc::clone(&self.source), self.callbacks);
        self.callbacks += 1;
        move || source.get(callback)
    }
}

type Gauge = (&'static str, &'static str, &'static str, fn(Reading) -> Option<u64>);

const GAUGES: [Gauge; 6] = [
    (
        "process_resident_memory_bytes",
        "By",
        "Memory of this process that is resident in RAM.",
        |read| read.resident,
    ),
    (
        "process_virtual_memory_bytes",
        "By",
        "Address space of this process that is mapped.",
        |read| read.mapped,
    ),
    ("process_open_fds", "", "Open file descriptors of this process.", |read| read.open_fds),
    ("process_max_fds", "", "File descriptors that this process may have open.", |read| {
        read.max_fds
    }),
    ("process_start_time_seconds", "s", "Start of this process, since 1970.", |read| {
        Some(read.started?.as_secs())
    }),
    ("process_threads", "", "Threads of this process.", |read| read.threads),
];
