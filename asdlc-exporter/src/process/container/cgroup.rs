//! Reads the limits and the use of the cgroup of this process.

use super::{
    files::{self, Throttling},
    location::{Location, Version, locations},
};
use std::{
    fs::File,
    io::Read as _,
    mem,
    path::{Path, PathBuf},
};

/// One reading. `None` means that there is no limit, or that the kernel does not provide the value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) memory: Memory,
    pub(super) cpu: Cpu,
}

/// In bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Memory {
    pub(super) limit: Option<u64>,
    pub(super) usage: Option<u64>,
    pub(super) working_set: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cpu {
    /// In CPUs.
    pub(super) limit: Option<f64>,
    pub(super) throttling: Option<Throttling>,
}

/// Keeps the paths of the files. It looks for them again when the process is in another cgroup.
pub(super) struct CgroupReader {
    /// `/`, except in tests.
    root: PathBuf,
    /// `/proc/self/cgroup` when the paths were found.
    cgroups: String,
    memory: Vec<MemoryFiles>,
    cpu: Vec<CpuFiles>,
    /// The content of the file that was read last.
    text: String,
}

/// The files of one cgroup.
struct MemoryFiles {
    limit: PathBuf,
    usage: PathBuf,
    stat: PathBuf,
    keys: &'static MemoryKeys,
}

/// The keys in `memory.stat`.
struct MemoryKeys {
    inactive_file: &'static str,
    /// The lowest limit of the cgroup and its ancestors, also of those that no mount shows.
    hierarchical_limit: Option<&'static str>,
}

/// The files of one cgroup.
struct CpuFiles {
    quota: PathBuf,
    /// Version 2 has the period in the file of the quota.
    period: Option<PathBuf>,
    stat: PathBuf,
}

impl CgroupReader {
    pub(super) fn new() -> Self {
        Self::in_root(Path::new("/"))
    }

    fn in_root(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            cgroups: String::new(),
            memory: Vec::new(),
            cpu: Vec::new(),
            text: String::new(),
        }
    }

    pub(super) fn read(&mut self) -> Reading {
        let Self { root, cgroups, memory, cpu, text } = self;
        if read(&root.join("proc/self/cgroup"), text).is_none() {
            return Reading::default();
        }
        if text != cgroups {
            mem::swap(cgroups, text);
            let mounts = read(&root.join("proc/self/mountinfo"), text).unwrap_or_default();
            *memory = levels(root, &locations(cgroups, mounts, "memory"), MemoryFiles::new);
            *cpu = levels(root, &locations(cgroups, mounts, "cpu"), CpuFiles::new);
        }
        Reading { memory: read_memory(memory, text), cpu: read_cpu(cpu, text) }
    }
}

/// The files of a cgroup and its ancestors, the cgroup itself first. Without the root of the hierarchy, which is the whole
/// machine.
fn levels<F>(root: &Path, locations: &[Location], files: fn(Version, &Path) -> F) -> Vec<F> {
    let in_root = |path: &PathBuf| root.join(path.strip_prefix("/").unwrap_or(path));
    for Location { version, directories } in locations {
        if !directories.first().is_some_and(|own| in_root(own).is_dir()) {
            continue;
        }
        // Only the root has this file in version 1. In version 2 it has no files of the controllers.
        let is_below = |directory: &PathBuf| {
            *version == Version::V2 || !directory.join("cgroup.sane_behavior").exists()
        };
        let directories = directories.iter().map(in_root).filter(is_below);
        return directories.map(|directory| files(*version, &directory)).collect();
    }
    Vec::new()
}

impl MemoryFiles {
    fn new(version: Version, directory: &Path) -> Self {
        let (limit, usage, keys) = match version {
            Version::V1 => ("memory.limit_in_bytes", "memory.usage_in_bytes", &KEYS_V1),
            Version::V2 => ("memory.max", "memory.current", &KEYS_V2),
        };
        let [limit, usage, stat] = [limit, usage, "memory.stat"].map(|name| directory.join(name));
        Self { limit, usage, stat, keys }
    }
}

impl CpuFiles {
    fn new(version: Version, directory: &Path) -> Self {
        let (quota, period) = match version {
            Version::V1 => ("cpu.cfs_quota_us", Some("cpu.cfs_period_us")),
            Version::V2 => ("cpu.max", None),
        };
        Self {
            quota: directory.join(quota),
            period: period.map(|name| directory.join(name)),
            stat: directory.join("cpu.stat"),
        }
    }

    fn limit(&self, text: &mut String) -> Option<f64> {
        let Some(period) = &self.period else { return files::cpu_limit(read(&self.quota, text)?) };
        let quota = files::number(read(&self.quota, text)?)?;
        files::cpus(quota, files::number(read(period, text)?)?)
    }
}

/// The lowest limit, and the use of the cgroup that has it: what is left of the limit is left of it for all that the
/// cgroup has. Without a limit, the use of the own cgroup.
fn read_memory(levels: &[MemoryFiles], text: &mut String) -> Memory {
    let limits =
        levels.iter().map(|files| (files, read(&files.limit, text).and_then(files::memory_limit)));
    let Some((files, mut limit)) = lowest(limits) else { return Memory::default() };
    let usage = read(&files.usage, text).and_then(files::number);
    let stat = read(&files.stat, text).unwrap_or_default();
    let MemoryKeys { inactive_file, hierarchical_limit } = files.keys;
    let hidden = hierarchical_limit.and_then(|key| files::value(stat, key));
    if let Some(hidden) = hidden.filter(files::is_memory_limit) {
        limit = Some(limit.map_or(hidden, |limit| limit.min(hidden)));
    }
    let inactive = files::value(stat, inactive_file);
    let working_set = usage.zip(inactive).map(|(usage, inactive)| usage.saturating_sub(inactive));
    Memory { limit, usage, working_set }
}

/// The lowest limit, and what `cpu.stat` has of the cgroup that has it.
fn read_cpu(levels: &[CpuFiles], text: &mut String) -> Cpu {
    let Some((files, Some(limit))) = lowest(levels.iter().map(|files| (files, files.limit(text))))
    else {
        return Cpu::default();
    };
    let throttling = read(&files.stat, text).and_then(files::throttling);
    Cpu { limit: Some(limit), throttling }
}

/// The first cgroup with the lowest limit, or else the first one.
fn lowest<F, L: PartialOrd + Copy>(
    levels: impl Iterator<Item = (F, Option<L>)>,
) -> Option<(F, Option<L>)> {
    levels.reduce(|lowest, other| match (lowest.1, other.1) {
        (None, Some(_)) => other,
        (Some(limit), Some(other_limit)) if other_limit < limit => other,
        _ => lowest,
    })
}

/// Reads a file into `text`, whose memory is reused.
fn read<'a>(path: &Path, text: &'a mut String) -> Option<&'a str> {
    let mut bytes = mem::take(text).into_bytes();
    bytes.clear();
    let has_read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).is_ok();
    // A name may have any bytes. Those that are not UTF-8 are replaced, so its file is not found.
    *text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    has_read.then_some(text.as_str())
}

const KEYS_V1: MemoryKeys = MemoryKeys {
    inactive_file: "total_inactive_file",
    hierarchical_limit: Some("hierarchical_memory_limit"),
};
const KEYS_V2: MemoryKeys = MemoryKeys { inactive_file: "inactive_file", hierarchical_limit: None };

#[cfg(test)]
mod tests;
