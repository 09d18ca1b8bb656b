//! After which time an idle series is hidden, and in which families.

use crate::families::{model::FamilyKind, policy::FamilyNames};
use std::time::Duration;

/// When a series is idle, so that it is no longer served.
///
/// ```
/// use asdlc_exporter::{Exporter, IdleTimeout};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let idle = IdleTimeout::new(Duration::from_secs(60 * 60))
///     .with_gauges("queue_*")
///     .without("checkouts_total");
/// let exporter = Exporter::builder("shop").with_idle_timeout(idle).build()?;
/// # Ok(()) }
/// ```
///
/// A series is idle when its value has not changed for the timeout. The values are compared at each
/// scrape, and the timeout is counted from the scrape that found a new value. So a series is idle
/// after two scrapes at the earliest, and a series that is never scraped is never idle. A scrape of
/// any client counts. A scrape with a filter (`name[]`) reads only the families of the filter.
///
/// Every series of a counter, histogram or summary can be idle. The series of a gauge or
/// up-down counter can only be idle if a pattern of [`with_gauges`](Self::with_gauges) matches the
/// family. The patterns are those of [`MetricPolicy`](crate::MetricPolicy), and match the same
/// forms of a name. `service_info`, `build_info`, `uptime_seconds`, `service_starts_total`,
/// `target_info` and the self-metrics are never idle.
///
/// # What scrapers see
///
/// The SDK's counters never forget a label set, so a label with changing values makes every scrape
/// longer. With the timeout, an idle series is left out, and a family without other series is left
/// out with its `HELP` and `TYPE`. When the value changes again, the series starts as a new series would: its value, or
/// its buckets, count and sum, count from the time when it was hidden. A gauge has its value.
///
/// A counter that had the value 5 when it was hidden, and then counts 2, is served like this:
///
/// | scrape | recorded | served |
/// |---|---|---|
/// | before the timeout | 5 | 5 |
/// | after the timeout | 5 | no series |
/// | after two more events | 7 | 2 |
/// | after one more event | 8 | 3 |
///
/// * `rate` and `increase` find a counter reset between 5 and 2, and add 2. This is the same as
///   after a restart of the program.
/// * As after a restart, what they cannot see is lost. If the window begins after the series came back, they do not count its
///   first value (2), because they need a value before it. If the window has both 5 and a first
///   value of at least 5, they find no reset, and count the difference. Both cases need few
///   events after a long time without any. Exclude families whose rare events matter, for example in an
///   alert, with [`without`](Self::without).
/// * A series that has been 0 since the start is hidden too. A query that needs the 0, such as a ratio with an error
///   counter, then finds nothing: use `or vector(0)` or [`without`](Self::without).
/// * All scrapers see the same values, whoever scraped first.
///
/// The SDK keeps the memory of a hidden series, and it counts towards its
/// [series limit](crate::ExporterBuilder::with_max_series). Other readers of the same provider are not
/// affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleTimeout {
    timeout: Duration,
    gauges: Vec<String>,
    without: Vec<String>,
}

impl IdleTimeout {
    /// Series that have not changed for this time are idle. Allowed: 1 second and more. It should be
    /// longer than several scrape intervals.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, gauges: Vec::new(), without: Vec::new() }
    }

    /// Also hides idle series of the gauges that the pattern matches. Default: of no gauge, because
    /// many gauges are constant.
    #[must_use]
    pub fn with_gauges(mut self, pattern: impl Into<String>) -> Self {
        self.gauges.push(pattern.into());
        self
    }

    /// Never hides series of the families that the pattern matches. It takes precedence over
    /// [`with_gauges`](Self::with_gauges).
    #[must_use]
    pub fn without(mut self, pattern: impl Into<String>) -> Self {
        self.without.push(pattern.into());
        self
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether the settings allow that series of the family are idle.
    pub(crate) fn applies_to(&self, names: &FamilyNames<'_>, kind: FamilyKind) -> bool {
        let Self { timeout: _, gauges, without } = self;
        let is_chosen = match kind {
            FamilyKind::Counter | FamilyKind::Histogram | FamilyKind::Summary => true,
            FamilyKind::Gauge | FamilyKind::Unknown => names.match_any(gauges),
            FamilyKind::TargetInfo => false,
        };
        is_chosen && !names.match_any(without)
    }
}

impl From<Duration> for IdleTimeout {
    fn from(timeout: Duration) -> Self {
        Self::new(timeout)
    }
}

/// Shorter than any scrape interval.
pub(crate) const MIN_IDLE_TIMEOUT: Duration = Duration::from_secs(1);
