//! CPU usage between scrapes, in percent.

use std::time::Duration;

/// The start of the current time window, and the CPU usage in the previous window.
///
/// A window has at least one second. Platforms count CPU time in ticks of 10 ms, so the values of shorter
/// windows would be noise. A scrape within the window repeats the last value.
pub(super) struct CpuUsage {
    start: Duration,
    cpu: Duration,
    percent: Option<f64>,
}

impl CpuUsage {
    pub(super) fn new(now: Duration, cpu: Duration) -> Self {
        Self { start: now, cpu, percent: None }
    }

    /// The CPU usage in percent of one core. `cpu` is the CPU time used until `now`.
    pub(super) fn at(&mut self, now: Duration, cpu: Duration) -> f64 {
        let window = now.saturating_sub(self.start);
        // In the first window, there is no last value. Then the CPU time so far is divided by the whole window,
        // so the value is never too high.
        let percent = || 100.0 * cpu.saturating_sub(self.cpu).div_duration_f64(window.max(WINDOW));
        if window < WINDOW {
            return self.percent.unwrap_or_else(percent);
        }
        let percent = percent();
        *self = Self { start: now, cpu, percent: Some(percent) };
        percent
    }
}

const WINDOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::CpuUsage;
    use std::time::Duration;

    fn at(usage: &mut CpuUsage, now: u64, cpu: u64) -> f64 {
        usage.at(Duration::from_millis(now), Duration::from_millis(cpu))
    }

    // N-01
    #[test]
    fn the_usage_is_that_between_two_scrapes() {
        let mut usage = CpuUsage::new(Duration::from_secs(100), Duration::from_secs(7));
        assert_eq!(at(&mut usage, 102_000, 7_500), 25.0);
        assert_eq!(at(&mut usage, 103_000, 9_500), 200.0, "two cores");
        assert_eq!(at(&mut usage, 163_000, 9_500), 0.0, "idle");
    }

    #[test]
    fn within_a_second_the_last_value_is_repeated_and_the_window_continues() {
        let mut usage = CpuUsage::new(Duration::ZERO, Duration::ZERO);
        assert_eq!(at(&mut usage, 2_000, 1_000), 50.0);
        assert_eq!(at(&mut usage, 2_001, 1_010), 50.0, "not 1000");
        assert_eq!(at(&mut usage, 3_000, 1_100), 10.0, "of all since 2 s");
    }

    #[test]
    fn the_first_scrape_may_come_immediately() {
        let mut usage = CpuUsage::new(Duration::from_secs(5), Duration::from_secs(1));
        assert_eq!(at(&mut usage, 5_000, 1_000), 0.0);
        assert_eq!(at(&mut usage, 5_001, 1_010), 1.0, "10 ms of a second");
        assert_eq!(at(&mut usage, 6_000, 1_500), 50.0);
    }

    #[test]
    fn a_clock_that_steps_back_shows_no_usage() {
        let mut usage = CpuUsage::new(Duration::from_secs(5), Duration::from_secs(3));
        assert_eq!(at(&mut usage, 4_000, 2_000), 0.0);
        assert_eq!(at(&mut usage, 9_000, 2_000), 0.0);
    }
}
