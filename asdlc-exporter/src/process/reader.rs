//! Reads the values of this process from the platform.

use super::{cpu_usage::CpuUsage, platform};
use std::time::{Duration, Instant};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// One reading. `None` means that the platform does not provide the value.
#[derive(Clone, Copy, Default)]
pub(super) struct Reading {
    pub(super) resident: Option<u64>,
    pub(super) mapped: Option<u64>,
    pub(super) cpu: Option<Duration>,
    pub(super) cpu_percent: Option<f64>,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
    /// The time since 1970.
    pub(super) started: Option<Duration>,
    pub(super) threads: Option<u64>,
}

/// What to read in addition to memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Selection {
    pub(super) cpu: bool,
    pub(super) files_and_threads: bool,
}

/// Reads only this process, so that a scrape costs the same on a host with thousands of processes.
pub(super) struct ProcessReader {
    system: System,
    selection: Selection,
    clock: Instant,
    usage: Option<CpuUsage>,
}

impl ProcessReader {
    /// `None` if the platform does not let a process read its own values.
    pub(super) fn new(selection: Selection) -> Option<Self> {
        platform::pid()?;
        let mut reader =
            Self { system: System::new(), selection, clock: Instant::now(), usage: None };
        reader.usage = reader.read().cpu.map(|cpu| CpuUsage::new(reader.clock.elapsed(), cpu));
        Some(reader)
    }

    pub(super) fn read(&mut self) -> Reading {
        let Self { system, selection, clock, usage } = self;
        // The PID is read each time, because it is different after a fork.
        let Some(pid) = platform::pid() else { return Reading::default() };
        let mut kind = ProcessRefreshKind::nothing().with_memory().without_tasks();
        if selection.cpu {
            kind = kind.with_cpu();
        }
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
        let Some(process) = system.process(pid) else { return Reading::default() };
        // No process has 0 bytes of memory or started in 1970: 0 means that the value is unknown. A CPU
        // time of 0 is possible, in the first ticks of a process.
        let known = |value: u64| Some(value).filter(|value| *value > 0);
        let cpu = selection.cpu.then(|| Duration::from_millis(process.accumulated_cpu_time()));
        let mut reading = Reading {
            resident: known(process.memory()),
            mapped: known(process.virtual_memory()),
            cpu,
            cpu_percent: usage.as_mut().zip(cpu).map(|(usage, cpu)| usage.at(clock.elapsed(), cpu)),
            started: known(process.start_time()).map(Duration::from_secs),
            ..Reading::default()
        };
        if selection.files_and_threads {
            reading.open_fds = platform::open_fds().or_else(|| Some(process.open_files()? as u64));
            reading.max_fds = process.open_files_limit().map(|limit| limit as u64);
            reading.threads = platform::threads();
        }
        reading
    }
}
