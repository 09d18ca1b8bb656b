//! Readings of files in a temporary directory, which stands for the root of the file system.

use super::{CgroupReader, Cpu, Memory, Reading, files::Throttling};
use std::{fs, path::Path, time::Duration};
use tempfile::TempDir;

struct Machine(TempDir);

impl Machine {
    fn new(mounts: &str, cgroups: &str) -> Self {
        let machine = Self(TempDir::new().expect("a directory"));
        machine.write("proc/self/mountinfo", mounts);
        machine.write("proc/self/cgroup", cgroups);
        machine
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().expect("a directory")).expect("it is created");
        fs::write(path, text).expect("it is written");
    }

    /// Writes files of one directory.
    fn cgroup(&self, directory: &str, files: &[(&str, &str)]) {
        for (name, text) in files {
            self.write(&format!("{directory}/{name}"), text);
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn reader(&self) -> CgroupReader {
        CgroupReader::in_root(self.path())
    }

    fn read(&self) -> Reading {
        self.reader().read()
    }
}

const V2_MOUNT: &str =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
const V1_MOUNTS: &str = "\
38 32 0:32 / /sys/fs/cgroup/memory rw,nosuid shared:15 - cgroup cgroup rw,memory
39 32 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:16 - cgroup cgroup rw,cpu,cpuacct
";

fn memory(limit: Option<u64>, usage: u64, working_set: u64) -> Memory {
    Memory { limit, usage: Some(usage), working_set: Some(working_set) }
}

fn cpu(limit: f64, periods: u64, throttled_periods: u64, throttled: Duration) -> Cpu {
    let throttling = Throttling { periods, throttled_periods, throttled };
    Cpu { limit: Some(limit), throttling: Some(throttling) }
}

//
#[test]
fn the_limits_of_a_container_with_version_2() {
    let machine = Machine::new(V2_MOUNT, "0::/\n");
    machine.cgroup(
        "sys/fs/cgroup",
        &[
            ("memory.max", "536870912\n"),
            ("memory.current", "300000000\n"),
            ("memory.stat", "anon 100000000\nfile 190000000\ninactive_file 150000000\n"),
            ("cpu.max", "150000 100000\n"),
            ("cpu.stat", "usage_usec 9\nnr_periods 50\nnr_throttled 4\nthrottled_usec 250000\n"),
        ],
    );
    let expected = Reading {
        memory: memory(Some(536_870_912), 300_000_000, 150_000_000),
        cpu: cpu(1.5, 50, 4, Duration::from_millis(250)),
    };
    let mut reader = machine.reader();
    assert_eq!(reader.read(), expected);

    // Limits may change, and be removed.
    machine.cgroup("sys/fs/cgroup", &[("memory.max", "max\n"), ("cpu.max", "max 100000\n")]);
    let unlimited =
        Reading { memory: Memory { limit: None, ..expected.memory }, cpu: Cpu::default() };
    assert_eq!(reader.read(), unlimited);
}

//
#[test]
fn the_lowest_limit_of_all_ancestors_counts_with_the_use_of_its_cgroup() {
    let machine = Machine::new(V2_MOUNT, "0::/a/b/c\n");
    let stat = |inactive| format!("inactive_file {inactive}\n");
    for (directory, limit, current, inactive, cpus, throttled) in [
        ("a", "1000\n", "900\n", 90, "200000 100000\n", 2),
        ("a/b", "500\n", "400\n", 40, "100000 100000\n", 1),
        ("a/b/c", "max\n", "300\n", 30, "400000 100000\n", 4),
    ] {
        machine.cgroup(
            &format!("sys/fs/cgroup/{directory}"),
            &[
                ("memory.max", limit),
                ("memory.current", current),
                ("memory.stat", &stat(inactive)),
                ("cpu.max", cpus),
                (
                    "cpu.stat",
                    &format!("nr_periods 10\nnr_throttled {throttled}\nthrottled_usec 7\n"),
                ),
            ],
        );
    }
    let mut reader = machine.reader();
    let expected = Reading {
        memory: memory(Some(500), 400, 360),
        cpu: cpu(1.0, 10, 1, Duration::from_micros(7)),
    };
    assert_eq!(reader.read(), expected);

    // Of equal limits, that of the cgroup itself.
    machine
        .cgroup("sys/fs/cgroup/a/b/c", &[("memory.max", "500\n"), ("cpu.max", "100000 100000\n")]);
    let expected = Reading {
        memory: memory(Some(500), 300, 270),
        cpu: cpu(1.0, 10, 4, Duration::from_micros(7)),
    };
    assert_eq!(reader.read(), expected);
}

//
#[test]
fn the_limits_of_a_container_with_version_1() {
    let mounts = "\
38 32 0:32 /docker/c1 /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory
39 32 0:33 /docker/c1 /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct
";
    let machine = Machine::new(mounts, "5:memory:/docker/c1\n4:cpu,cpuacct:/docker/c1\n0::/\n");
    let limited = |limit: &str, hierarchical: &str| {
        machine.cgroup("sys/fs/cgroup/memory", &[
            ("memory.limit_in_bytes", limit),
            ("memory.usage_in_bytes", "300000000\n"),
            (
                "memory.stat",
                &format!(
                    "inactive_file 1\nhierarchical_memory_limit {hierarchical}\ntotal_inactive_file 100000000\n"
                ),
            ),
        ]);
    };
    machine.cgroup(
        "sys/fs/cgroup/cpu,cpuacct",
        &[
            ("cpu.cfs_quota_us", "25000\n"),
            ("cpu.cfs_period_us", "50000\n"),
            ("cpu.stat", "nr_periods 8\nnr_throttled 3\nthrottled_time 1500000000\n"),
        ],
    );
    let cpu = cpu(0.5, 8, 3, Duration::from_millis(1_500));
    let none = "9223372036854771712";
    for (own, hierarchical, limit) in [
        ("400000000", "400000000", Some(400_000_000)),
        // A lower limit of an ancestor that is not mounted here.
        ("400000000", "350000000", Some(350_000_000)),
        (none, "350000000", Some(350_000_000)),
        (none, none, None),
    ] {
        limited(own, hierarchical);
        let expected = Reading { memory: memory(limit, 300_000_000, 200_000_000), cpu };
        assert_eq!(machine.read(), expected, "{own} {hierarchical}");
    }
    machine.cgroup("sys/fs/cgroup/cpu,cpuacct", &[("cpu.cfs_quota_us", "-1\n")]);
    assert_eq!(machine.read().cpu, Cpu::default());
}

//
#[test]
fn the_whole_machine_is_no_container() {
    let machine = Machine::new(V1_MOUNTS, "5:memory:/\n4:cpu,cpuacct:/\n");
    machine.cgroup(
        "sys/fs/cgroup/memory",
        &[
            ("cgroup.sane_behavior", "0\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.usage_in_bytes", "8000000000\n"),
            ("memory.stat", "total_inactive_file 100000000\n"),
        ],
    );
    machine.cgroup(
        "sys/fs/cgroup/cpu,cpuacct",
        &[
            ("cgroup.sane_behavior", "0\n"),
            ("cpu.cfs_quota_us", "-1\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"),
        ],
    );
    assert_eq!(machine.read(), Reading::default());

    // Version 2 has no files of the controllers there.
    let machine = Machine::new(V2_MOUNT, "0::/\n");
    machine.cgroup(
        "sys/fs/cgroup",
        &[
            ("cpu.stat", "usage_usec 9\nuser_usec 5\nsystem_usec 4\n"),
            ("memory.stat", "anon 100000000\ninactive_file 150000000\n"),
        ],
    );
    assert_eq!(machine.read(), Reading::default());
}

//
#[test]
fn a_process_that_is_moved_has_the_limits_of_its_new_cgroup() {
    let machine = Machine::new(V2_MOUNT, "0::/a\n");
    for (name, limit) in [("a", "1000\n"), ("b", "2000\n")] {
        let directory = format!("sys/fs/cgroup/{name}");
        machine.cgroup(&directory, &[("memory.max", limit), ("memory.current", "10\n")]);
    }
    let mut reader = machine.reader();
    assert_eq!(reader.read().memory.limit, Some(1_000));
    // The mounts are read again only if the cgroup is another one.
    machine.write("proc/self/mountinfo", "");
    assert_eq!(reader.read().memory.limit, Some(1_000));
    machine.write("proc/self/mountinfo", V2_MOUNT);
    machine.write("proc/self/cgroup", "0::/b\n");
    let expected = Memory { limit: Some(2_000), usage: Some(10), working_set: None };
    assert_eq!(reader.read().memory, expected);

    fs::remove_dir_all(machine.path().join("sys/fs/cgroup/b")).expect("it is removed");
    assert_eq!(reader.read(), Reading::default());
}

//
#[test]
fn a_mount_that_does_not_show_the_cgroup_is_skipped() {
    let mounts = "\
30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
31 23 0:26 / /hidden rw - cgroup2 cgroup2 rw
";
    let machine = Machine::new(mounts, "0::/a\n");
    machine.cgroup("sys/fs/cgroup/a", &[("memory.max", "1000\n")]);
    machine.cgroup("hidden", &[("memory.max", "7\n")]);
    assert_eq!(machine.read().memory.limit, Some(1_000));
}

//
#[test]
fn without_proc_or_without_cgroups_there_are_no_values() {
    let nothing = TempDir::new().expect("a directory");
    assert_eq!(CgroupReader::in_root(nothing.path()).read(), Reading::default());
    assert_eq!(Machine::new("", "").read(), Reading::default());
    assert_eq!(Machine::new("", "0::/a\n").read(), Reading::default());
    assert_eq!(Machine::new(V2_MOUNT, "0::/a\n").read(), Reading::default());
    let machine = Machine::new(V2_MOUNT, "0::/a\n");
    machine.cgroup("sys/fs/cgroup/a", &[("memory.max", "x\n"), ("memory.current", "")]);
    assert_eq!(machine.read(), Reading::default());
    // A name that is not UTF-8.
    fs::write(machine.path().join("proc/self/cgroup"), b"0::/\xff\n").expect("it is written");
    assert_eq!(machine.read(), Reading::default());
}
