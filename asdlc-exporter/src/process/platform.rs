//! Reads values that sysinfo does not provide, or provides only slowly: sysinfo counts files and
//! threads by listing directories.

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use sysinfo::Pid;

    /// The PID of this process in `/proc`. It differs from the PID that `getpid` returns if `/proc`
    /// belongs to another PID namespace. `None` if this process is not visible in that namespace.
    pub(crate) fn pid() -> Option<Pid> {
        fs::read_link("/proc/self").ok()?.to_str()?.parse().ok()
    }

    /// Since Linux 6.2, the size of this directory is the number of its entries. Before, it is 0.
    pub(crate) fn open_fds() -> Option<u64> {
        Some(fs::metadata("/proc/self/fd").ok()?.len()).filter(|count| *count > 0)
    }

    pub(crate) fn threads() -> Option<u64> {
        threads_in(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// The 20th field of `proc_pid_stat(5)`. The second field is the name of the program in parentheses,
    /// which may have spaces and parentheses itself.
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
    fn the_name_of_the_program_may_have_any_characters() {
        let fields = "S 1 10 10 0 -1 4194560 100 0 0 0 5 6 0 0 20 0 17 0 300 1000 20";
        for name in ["sh", "a b", ") R 1 2 3 (", "é\n"] {
            assert_eq!(threads_in(&format!("10 ({name}) {fields}")), Some(17), "{name}");
        }
        assert_eq!(threads_in(""), None);
        assert_eq!(threads_in("10 (sh) S 1 10"), None);
    }
}
