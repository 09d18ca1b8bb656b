//! Parses the files of a cgroup. The kernel's documentation has their formats, `cgroup-v2.rst` and `cgroup-v1/`.

use std::time::Duration;

/// `memory.max` and `memory.limit_in_bytes`: bytes, `None` without a limit.
pub(super) fn memory_limit(text: &str) -> Option<u64> {
    number(text).filter(is_memory_limit)
}

/// Whether a number of bytes is a limit. Version 1 has no word for no limit: the number is the greatest one of whole pages
/// below 2^63.
pub(super) fn is_memory_limit(bytes: &u64) -> bool {
    *bytes < 1 << 62
}

/// A file that has one number: `None` if it is negative or a word, such as `max`.
pub(super) fn number(text: &str) -> Option<u64> {
    text.trim_ascii().parse().ok()
}

/// `cpu.max`: CPUs, `None` without a limit.
pub(super) fn cpu_limit(text: &str) -> Option<f64> {
    let (quota, period) = text.trim_ascii().split_once(' ')?;
    cpus(number(quota)?, number(period)?)
}

/// The CPUs of a quota and its period, both in microseconds.
pub(super) fn cpus(quota: u64, period: u64) -> Option<f64> {
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

/// The number in the line of this key in `memory.stat` or `cpu.stat`.
pub(super) fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| number(line.strip_prefix(key)?.strip_prefix(' ')?))
}

/// What `cpu.stat` has of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Throttling {
    pub(super) periods: u64,
    pub(super) throttled_periods: u64,
    pub(super) throttled: Duration,
}

/// `cpu.stat`. Version 1 has the time in nanoseconds.
pub(super) fn throttling(text: &str) -> Option<Throttling> {
    let throttled = value(text, "throttled_usec")
        .map(Duration::from_micros)
        .or_else(|| value(text, "throttled_time").map(Duration::from_nanos))?;
    let (periods, throttled_periods) = (value(text, "nr_periods")?, value(text, "nr_throttled")?);
    Some(Throttling { periods, throttled_periods, throttled })
}

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn a_memory_limit_is_a_number_that_memory_can_have() {
        for (text, limit) in [
            ("536870912\n", Some(536_870_912)),
            ("0\n", Some(0)),
            ("max\n", None),
            // Version 1 without a limit, with pages of 4 KiB and of 64 KiB; and an old kernel.
            ("9223372036854771712\n", None),
            ("9223372036854710272\n", None),
            ("9223372036854775807\n", None),
            ("4611686018427387903", Some(4_611_686_018_427_387_903)),
            ("", None),
            ("-1\n", None),
            ("1 2\n", None),
        ] {
            assert_eq!(memory_limit(text), limit, "{text:?}");
        }
    }

    //
    #[test]
    fn a_cpu_limit_is_in_cpus() {
        for (text, limit) in [
            ("50000 100000\n", Some(0.5)),
            ("250000 100000\n", Some(2.5)),
            ("max 100000\n", None),
            ("max\n", None),
            ("50000\n", None),
            ("0 100000\n", None),
            ("50000 0\n", None),
            ("", None),
        ] {
            assert_eq!(cpu_limit(text), limit, "{text:?}");
        }
        assert_eq!(number("-1\n").and_then(|quota| cpus(quota, 100_000)), None, "version 1");
    }

    //
    #[test]
    fn throttling_has_one_unit_in_both_versions() {
        let expected = Throttling {
            periods: 120,
            throttled_periods: 7,
            throttled: Duration::from_micros(1_500_250),
        };
        let v1 = "nr_periods 120\nnr_throttled 7\nthrottled_time 1500250000\nnr_bursts 0\nburst_time 0\n";
        assert_eq!(throttling(v1), Some(expected));
        let v2 = "\
usage_usec 1669849253
user_usec 1443453669
system_usec 226395584
core_sched.force_idle_usec 0
nr_periods 120
nr_throttled 7
throttled_usec 1500250
nr_bursts 0
burst_usec 0
";
        assert_eq!(throttling(v2), Some(expected));
        // The root of version 2, and a cgroup without the controller, have only the times.
        assert_eq!(throttling("usage_usec 1\nuser_usec 1\nsystem_usec 0\n"), None);
        assert_eq!(throttling(""), None);
    }

    //
    #[test]
    fn a_key_is_a_whole_word() {
        let text = "inactive_file_x 1\nxinactive_file 2\ntotal_inactive_file 3\ninactive_file 4\n";
        assert_eq!(value(text, "inactive_file"), Some(4));
        assert_eq!(value(text, "total_inactive_file"), Some(3));
        assert_eq!(value(text, "inactive"), None);
        assert_eq!(value("inactive_file", "inactive_file"), None);
    }
}
