//! Memory, CPU time, files and threads of this process, and the limits of its container, read at each scrape (feature
//! `process`).
//!
//! ```
//! use asdlc_exporter::{Exporter, process};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("shop").build()?;
//! process::register(&exporter);
//! assert!(exporter.render()?.contains(r#"process_memory_bytes{service="shop",type="rss"} "#));
//! # Ok(()) }
//! ```
//!
//! Use [`ProcessMetrics`] for more than memory. The values are read once in each collection, for all
//! families, and of this process only. A series is absent if the platform does not provide the value. On
//! Linux, the process is the one that `/proc/self` points to. So the values are correct even if
//! `/proc` belongs to another PID namespace.

#[cfg(target_os = "linux")]
mod container;
mod cpu_usage;
mod platform;
mod reader;

use self::reader::{ProcessReader, Reading, Selection};
use crate::{collect::shared_read::SharedRead, meter_source::MeterSource};
use opentelemetry::{KeyValue, metrics::Meter};
use std::{sync::Arc, time::Duration};

/// Creates the gauge `process_memory_bytes`, in bytes, with the label `type`.
///
/// `type="rss"` is the memory that is resident in RAM, `type="vms"` the mapped address space. The same as
/// [`ProcessMetrics::new`] with [`Memory::ByType`].
///
/// Call it once for a meter provider. A second call reads the same numbers twice.
pub fn register<K>(meter: &(impl MeterSource<K> + ?Sized)) {
    ProcessMetrics::new().with_memory(Memory::ByType).register(&meter.to_meter());
}

/// Selects the metrics of this process. By default, there are none.
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
///     .register(&exporter);
///
/// let text = exporter.render()?;
/// assert!(text.contains(r#"process_memory_bytes{service="agent"} "#));
/// assert!(text.contains(r#"process_cpu_usage{service="agent"} "#));
/// assert!(text.contains(r#"process_cpu_seconds_total{service="agent"} "#));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "call `register` to serve the metrics"]
pub struct ProcessMetrics {
    memory: Option<Memory>,
    cpu_usage: bool,
    canonical: bool,
    container: bool,
}

/// The form of the gauge `process_memory_bytes`. Use one form in an exporter, because both forms
/// have the same family name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Memory {
    /// One series without a label: the bytes resident in RAM.
    Resident,
    /// `type="rss"`, the bytes resident in RAM, and `type="vms"`, the bytes of mapped address space.
    ByType,
}

impl ProcessMetrics {
    /// Selects no metrics.
    pub fn new() -> Self {
        Self::default()
    }

    /// The gauge `process_memory_bytes`.
    pub fn with_memory(mut self, memory: Memory) -> Self {
        self.memory = Some(memory);
        self
    }

    /// The gauge `process_cpu_usage` in percent. 100 means that one core was busy all the time. If
    /// several cores are busy, the value can be greater than 100.
    ///
    /// A scrape measures the CPU usage since the scrape that measured it last. The first scrape
    /// measures it since [`register`](Self::register). A scrape less than one second after the last
    /// measurement repeats the value, because the platforms count CPU time in ticks of 10 ms. The
    /// value depends on the scrape interval and on the number of scrapers.
    /// `rate(process_cpu_seconds_total[5m])` does not.
    pub fn with_cpu_usage(mut self) -> Self {
        self.cpu_usage = true;
        self
    }

    /// The standard process metrics of Prometheus client libraries, with the names that dashboards
    /// expect:
    ///
    /// | family | type | |
    /// |---|---|---|
    /// | `process_cpu_seconds_total` | counter | CPU time in user and system mode |
    /// | `process_resident_memory_bytes` | gauge | bytes resident in RAM |
    /// | `process_virtual_memory_bytes` | gauge | bytes of mapped address space |
    /// | `process_open_fds` | gauge | open file descriptors |
    /// | `process_max_fds` | gauge | limit of open file descriptors; absent if there is none |
    /// | `process_start_time_seconds` | gauge | start of the process, in whole seconds since 1970 |
    /// | `process_threads` | gauge | threads; on Linux only |
    pub fn with_canonical(mut self) -> Self {
        self.canonical = true;
        self
    }

    /// The limits of the container that this process runs in, and what the container uses of them. On Linux only.
    ///
    /// | family | type | |
    /// |---|---|---|
    /// | `container_memory_limit_bytes` | gauge | bytes that the container may use; absent without a limit |
    /// | `container_memory_usage_bytes` | gauge | bytes that it uses, with cached files |
    /// | `container_memory_working_set_bytes` | gauge | the same without cached files that were not used recently: the kernel frees these first |
    /// | `container_cpu_limit` | gauge | CPUs that the container may use, such as 0.5; absent without a limit, like the next three |
    /// | `container_cpu_cfs_periods_total` | counter | periods (of 100 ms by default) in which the limit applied |
    /// | `container_cpu_cfs_throttled_periods_total` | counter | periods in which the container reached its limit and had to wait |
    /// | `container_cpu_cfs_throttled_seconds_total` | counter | seconds that it had to wait, summed over the CPUs |
    ///
    /// Two queries show the memory that is left in bytes, and the share of the periods in which the container was
    /// throttled:
    ///
    /// ```text
    /// container_memory_limit_bytes - container_memory_working_set_bytes
    /// rate(container_cpu_cfs_throttled_periods_total[5m]) / rate(container_cpu_cfs_periods_total[5m])
    /// ```
    ///
    /// The container is the cgroup of this process, of version 1 or 2. If ancestors of the cgroup have limits too, the
    /// lowest limit is served. The other values are those of the cgroup that has this limit. Memory and CPU may come
    /// from different cgroups. Ancestors that are not in a mount of this process are not known. There is one exception:
    /// in version 1, the kernel reports their lowest memory limit. Then the memory use is still that of a cgroup in a
    /// mount. A process in the root of the cgroup hierarchy has none of these families: the whole machine is not a
    /// container. The limits are read at each scrape, because they can change.
    ///
    /// The names of the memory use are OpenTelemetry's (`container.memory.usage`, `container.memory.working_set`). It
    /// has names of limits only under `k8s.container`; the names of the limits here follow them. The names of the other
    /// families are those of cAdvisor. cAdvisor serves the memory use under the same names as here. If one Prometheus
    /// server scrapes both, select by `job`.
    pub fn with_container(mut self) -> Self {
        self.container = true;
        self
    }

    /// Creates the selected instruments.
    ///
    /// Call it once for a meter provider. A second call reads the same numbers twice. If a process cannot
    /// read its own values on this platform, only the instruments of
    /// [`with_container`](Self::with_container) are created.
    pub fn register<K>(self, meter: &(impl MeterSource<K> + ?Sized)) {
        let Self { memory, cpu_usage, canonical, container } = self;
        let meter = meter.to_meter();
        if container {
            register_container(&meter);
        }
        let selection = Selection { cpu: cpu_usage || canonical, files_and_threads: canonical };
        let Some(mut reader) = ProcessReader::new(selection) else { return };
        let mut instruments = Instruments {
            meter,
            reading: Arc::new(SharedRead::new(move || reader.read())),
            callbacks: 0,
        };
        match memory {
            Some(Memory::ByType) => instruments.memory_by_type(),
            Some(Memory::Resident) => {
                let help = "Memory of this process resident in RAM.";
                instruments.gauge("process_memory", "By", help, |read| read.resident);
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

#[cfg(target_os = "linux")]
use container::register as register_container;

#[cfg(not(target_os = "linux"))]
fn register_container(_: &Meter) {}

/// Creates instruments that share one reading.
struct Instruments {
    meter: Meter,
    reading: Arc<SharedRead<Reading>>,
    callbacks: u32,
}

impl Instruments {
    fn memory_by_type(&mut self) {
        let read = self.reader();
        self.meter
            .u64_observable_gauge("process_memory")
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

    // Without a unit, because the name must not get the suffix `_percent` (N-01).
    fn cpu_usage(&mut self) {
        let read = self.reader();
        self.meter
            .f64_observable_gauge("process_cpu_usage")
            .with_description(
                "CPU usage of this process since the last scrape, in percent of one core.",
            )
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
            .f64_observable_counter("process_cpu")
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

    /// The function that the next callback reads with.
    fn reader(&mut self) -> impl Fn() -> Reading + Send + Sync + 'static {
        let (reading, callback) = (Arc::clone(&self.reading), self.callbacks);
        self.callbacks += 1;
        move || reading.get(callback)
    }
}

type Gauge = (&'static str, &'static str, &'static str, fn(Reading) -> Option<u64>);

const GAUGES: [Gauge; 6] = [
    ("process_resident_memory", "By", "Memory of this process resident in RAM.", |read| {
        read.resident
    }),
    ("process_virtual_memory", "By", "Mapped address space of this process.", |read| read.mapped),
    ("process_open_fds", "", "Open file descriptors of this process.", |read| read.open_fds),
    ("process_max_fds", "", "Limit of open file descriptors of this process.", |read| read.max_fds),
    ("process_start_time", "s", "Start of this process, since 1970.", |read| {
        Some(read.started?.as_secs())
    }),
    ("process_threads", "", "Threads of this process.", |read| read.threads),
];
