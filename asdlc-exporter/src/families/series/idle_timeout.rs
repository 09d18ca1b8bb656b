//! After which time an idle series is hidden, and in which families.

use crate::families::{model::FamilyKind, names::policy::FamilyNames};
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
/// The SDK's counters never forget a label set. So a label whose values come and go makes every
/// scrape longer. With a timeout, a series whose value has not changed for this time is hidden until
/// the value changes again. A family whose series are all hidden is left out, with its `HELP` and
/// `TYPE`.
///
/// The values are compared at each scrape, and the time counts from the scrape that found a new
/// value. So the first scrape hides no series. The scrapes of all clients count, and so do `render`,
/// `render_as` and `render_into`. A scrape with a filter (`name[]`)
/// compares only the families of the filter.
///
/// Every series of a counter, histogram or summary can be hidden. The series of a gauge or up-down
/// counter are hidden only if a pattern of [`with_gauges`](Self::with_gauges) matches the family.
/// Patterns match as those of [`MetricPolicy`](crate::MetricPolicy) do. `service_info`, `build_info`,
/// `uptime_seconds`, `service_starts_total`, `target_info` and the self-metrics are never hidden.
///
/// # What scrapers see
///
/// A hidden series starts again as a new series would: its value, or its buckets, count and sum,
/// count from the time when it was hidden. Integers stay exact. A gauge returns with its value. For
/// example, a counter that was 5 when it was hidden:
///
/// | scrape | recorded so far | served |
/// |---|---|---|
/// | before the timeout | 5 | 5 |
/// | after the timeout | 5 | no series |
/// | after two more events | 7 | 2 |
/// | after one more event | 8 | 3 |
///
/// * To `rate` and `increase`, this is a restart of the program: between 5 and 2 they find a counter
///   reset, and count 2.
/// * As with a restart, the first new value (2) is lost if the window of the query does not have the old
///   value (5): the functions need a value before it. A server that uses start times stores a 0 before the
///   new value, so it does not lose it. If the window has the old value, and the first new
///   value is not less than that, they find no reset, and count only the difference. Exclude
///   families whose rare events matter, for example in an alert, with [`without`](Self::without).
/// * A series that has been 0 from the start is hidden too. Then a ratio with an error counter has no
///   result: exclude the counter.
/// * Two scrapers get the same values: each scrape compares the values, and a series is hidden from
///   both and returns for both.
///
/// The SDK keeps the memory of a hidden series, and the series counts towards the
/// [series limit](crate::ExporterBuilder::with_max_series). Other readers of the provider still get it.
/// The exporter keeps 72 bytes for each series that can be hidden, and the buckets of a histogram that was
/// hidden.
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

    /// Also hides idle series of the gauges that the pattern matches. Default: no gauges, because many
    /// gauges are constant.
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
