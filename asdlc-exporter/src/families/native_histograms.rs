//! Which histograms are recorded in the buckets of native histograms.

use opentelemetry_sdk::metrics::Aggregation;
use std::ops::RangeInclusive;

/// Which histograms are native histograms, and how precise they are.
///
/// ```
/// use asdlc_exporter::{Exporter, NativeHistograms};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let native = NativeHistograms::new(["*_duration_seconds"]).with_max_scale(5);
/// let exporter = Exporter::builder("shop").with_native_histograms(native).build()?;
/// let wait = exporter.meter().f64_histogram("wait.duration").with_unit("s").build();
/// wait.record(0.3, &[]);
///
/// let text = exporter.render()?;
/// assert!(text.contains("wait_duration_seconds_bucket{service=\"shop\",le=\"0.25\"} 0\n"));
/// assert!(text.contains("wait_duration_seconds_bucket{service=\"shop\",le=\"0.5\"} 1\n"));
/// # Ok(()) }
/// ```
///
/// Such a histogram has no boundaries to choose: its buckets are narrow everywhere, and there are only those
/// that have values. The SDK records it as an exponential histogram
/// (`Base2ExponentialHistogram`).
///
/// Scrapers that accept protobuf get the native histogram. In text, and for servers that do not use native
/// histograms, the same observations are in classic buckets. Their boundaries are powers of two and never
/// change, so their counts are exact:
///
/// | unit | boundaries |
/// |---|---|
/// | `s` | 0.0009765625, 0.001953125, … 32, 64 |
/// | `ms`, `us`, `ns` | the same times, rounded: 1, 2, … 65536 ms |
/// | `By` | 64, 256, … 268435456, 1073741824 |
/// | other | 0.0009765625, 0.00390625, … 268435456, 1073741824 |
///
/// # Precision
///
/// With scale `s`, a bucket ends at 2^(2^-s) times its beginning. At scale 8, this is 0.27 % more. If the
/// values of a series need more buckets than the maximum, the SDK lowers the scale of this series until they
/// fit. With 160 buckets, values between 1 ms and 10 s have scale 3 (9 %).
///
/// Boundaries that the instrument advises are not used. A series has up to the maximum of buckets in memory,
/// 8 bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeHistograms {
    patterns: Vec<String>,
    max_scale: i8,
    max_buckets: u32,
}

impl NativeHistograms {
    /// The histograms whose names match one of these patterns. Patterns match as those of
    /// [`MetricPolicy`](crate::MetricPolicy) do.
    #[must_use]
    pub fn new<P: Into<String>>(patterns: impl IntoIterator<Item = P>) -> Self {
        let patterns = patterns.into_iter().map(Into::into).collect();
        Self { patterns, max_scale: 8, max_buckets: 160 }
    }

    /// The greatest scale. Allowed: -4 to 8, which is what Prometheus has. Default: 8.
    #[must_use]
    pub fn with_max_scale(mut self, scale: i8) -> Self {
        self.max_scale = scale;
        self
    }

    /// How many buckets for positive values a series has at most, and how many for negative ones. Allowed:
    /// 4 to 10000. Default: 160.
    #[must_use]
    pub fn with_max_buckets(mut self, buckets: u32) -> Self {
        self.max_buckets = buckets;
        self
    }

    pub(crate) fn patterns(&self) -> &[String] {
        &self.patterns
    }

    pub(crate) fn max_scale(&self) -> i8 {
        self.max_scale
    }

    pub(crate) fn max_buckets(&self) -> u32 {
        self.max_buckets
    }

    pub(crate) fn aggregation(&self) -> Aggregation {
        Aggregation::Base2ExponentialHistogram {
            max_size: self.max_buckets,
            max_scale: self.max_scale,
            record_min_max: true,
        }
    }
}

impl<P: Into<String>, const N: usize> From<[P; N]> for NativeHistograms {
    fn from(patterns: [P; N]) -> Self {
        Self::new(patterns)
    }
}

impl<P: Into<String>> From<Vec<P>> for NativeHistograms {
    fn from(patterns: Vec<P>) -> Self {
        Self::new(patterns)
    }
}

/// How many buckets may be the maximum.
pub(crate) const MAX_BUCKETS: RangeInclusive<u32> = 4..=10_000;
