//! What the platform tells about this process.

use super::{cpu_usage::CpuUsage, platform};
use std::time::{Duration, Instant};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// One reading; `None` is what the platform cannot tell.
#[derive(Clone, Copy, Default)]
pub(super) struct Reading {
    pub(super) resident: Option<u64>,
    pub(super) mapped: Option<u64>,
    pub(super) cpu: Option<Duration>,
    pub(super) cpu_percent: Option<f64>,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
    /// Since 1970.
    pub(super) started: Option<Duration>,
    pub(super) threads: Option<u64>,
}

/// What to read beside memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) cpu: bool,
    pub(super) files_and_threads: bool,
}

/// This process, and no other: a scrape costs the same on a host with thousands of them.
pub(super) struct Source {
    system: System,
    wanted: Wanted,
    clock: Instant,
    usage: Option<CpuUsage>,
}

impl Source {
    /// `None` where the platform does not let us in.
    pub(super) fn new(wanted: Wanted) -> Option<Self> {
        platform::pid()?;
        let mut source = Self { system: System::new(), wanted, clock: Instant::now(), usage: None };
        source.usage = source.read().cpu.map(|cpu| CpuUsage::new(source.clock.elapsed(), cpu));
        Some(source)
    }

    pub(super) fn read(&mut self) -> Reading {
        let Self { system, wanted, clock, usage } = self;
        // Asked each time: whoever forks is another process afterwards.
        let Some(pid) = platform::pid() else { return Reading::default() };
        let mut kind = ProcessRefreshKind::nothing().with_memory().without_tasks();
        if wanted.cpu {
            kind = kind.with_cpu();
        }
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
        let Some(process) = system.process(pid) else { return Reading::default() };
        // No process has 0 bytes of memory or began in 1970: that is how a platform says it cannot
        // tell. No CPU time is possible, in the first ticks of a process.
        let told = |value: u64| Some(value).filter(|value| *value > 0);
        let cpu = wanted.cpu.then(|| Duration::from_millis(process.accumulated_cpu_time()));
        let mut reading = Reading {
            resident: told(process.memory()),
            mapped: told(process.virtual_memory()),
            cpu,
            cpu_percent: usage.as_mut().zip(cpu).map(|(usage, cpu)| usage.at(clock.elapsed(), cpu)),
            started: told(process.start_time()).map(Duration::from_secs),
            ..Reading::default()
        };
        if wanted.files_and_threads {
            reading.open_fds = platform::open_fds().or_else(|| Some(process.open_files()? as u64));
            reading.max_fds = process.open_files_limit().map(|limit| limit as u64);
            reading.threads = platform::threads();
        }
        reading
    }
}
