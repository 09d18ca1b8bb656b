//! What sysinfo does not tell of this process, or only at a cost that grows with it: it lists a
//! directory for files and one for threads.

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use sysinfo::Pid;

    /// The number of this process in `/proc`, which is another one than `getpid` says when `/proc`
    /// belongs to another PID namespace. There is none when that namespace cannot see this process.
    pub(crate) fn pid() -> Option<Pid> {
        fs::read_link("/proc/self").ok()?.to_str()?.parse().ok()
    }

    /// Since Linux 6.2 the size of this directory is the number of its entries; before, it is 0.
    pub(crate) fn open_fds() -> Option<u64> {
        Some(fs::metadata("/proc/self/fd").ok()?.len()).filter(|count| *count > 0)
    }

    pub(crate) fn threads() -> Option<u64> {
        threads_in(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// The 20th field of `proc_pid_stat(5)`. The second is the program's name in parentheses, which
    /// may hold spaces and parentheses of its own.
    pub(super) fn threads_in(stat: &str) -> Option<u64> {
        let (_, fields) = stat.rsplit_once(')')?;
        fields.split_ascii_whitespace().nth(17)?.parse().ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    pub(crate) fn pid() -> Option<sysinfo::Pid> {
        sysinfo::get_current_pid().ok()
    }

    pub(crate) fn open_fds() -> Option<u64> {
        None
    }

    pub(crate) fn threads() -> Option<u64> {
        None
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{open_fds, pid, threads};
#[cfg(target_os = "linux")]
pub(super) use linux::{open_fds, pid, threads};

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::linux::threads_in;

    #[test]
    fn a_program_may_have_any_name() {
        let fields = "S 1 10 10 0 -1 4194560 100 0 0 0 5 6 0 0 20 0 17 0 300 1000 20";
        for name in ["sh", "a b", ") R 1 2 3 (", "é\n"] {
            assert_eq!(threads_in(&format!("10 ({name}) {fields}")), Some(17), "{name}");
        }
        assert_eq!(threads_in(""), None);
        assert_eq!(threads_in("10 (sh) S 1 10"), None);
    }
}
