//! Which histograms are native histograms, and how precise they are.

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
/// A native histogram needs no boundaries: its buckets are narrow from the least to the greatest value. The
/// SDK records it as an exponential histogram (`Base2ExponentialHistogram`). Boundaries of the instrument
/// (`with_boundaries`) are not used.
///
/// Protobuf has the native histogram and classic buckets. Text and `OpenMetrics` have only the classic
/// buckets, with the same observations. The boundaries of the classic buckets are powers of two and never
/// change, so their counts are exact:
///
/// | unit | boundaries |
/// |---|---|
/// | `s` | 0.0009765625, 0.001953125, … 32, 64 |
/// | `ms` | 1, 2, … 32768, 65536 |
/// | `us` | 1024, 2048, … 33554432, 67108864 |
/// | `ns` | 1048576, 2097152, … 34359738368, 68719476736 |
/// | `By` | 64, 256, … 268435456, 1073741824 |
/// | other | 0.0009765625, 0.00390625, … 268435456, 1073741824 |
///
/// Prometheus asks for protobuf and stores native histograms only if they are enabled in its configuration:
/// `scrape_native_histograms: true`, or `--enable-feature=native-histograms` before version 3.8.
///
/// # Precision
///
/// With scale `s`, the upper boundary of a bucket is 2^(2^-s) times the lower one. At scale 8, it is 0.27 %
/// greater. If the values of a series need more buckets than the maximum, the SDK lowers the scale of this
/// series until they fit. For example, values from 1 ms to 10 s fit into 160 buckets at scale 3. There, the
/// upper boundary is 9 % greater.
///
/// Each bucket takes 8 bytes of memory in the SDK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeHistograms {
    patterns: Vec<String>,
    max_scale: i8,
    max_buckets: u32,
}

impl NativeHistograms {
    /// Makes the histograms native whose names match one of these patterns. Patterns have the syntax of
    /// [`MetricPolicy`](crate::MetricPolicy), and match the same names.
    #[must_use]
    pub fn new<P: Into<String>>(patterns: impl IntoIterator<Item = P>) -> Self {
        let patterns = patterns.into_iter().map(Into::into).collect();
        Self { patterns, max_scale: 8, max_buckets: 160 }
    }

    /// The scale of a series whose values fit into the maximum number of buckets. A greater scale has
    /// narrower buckets. Default: 8. Allowed: -4 to 8, the range of Prometheus.
    #[must_use]
    pub fn with_max_scale(mut self, scale: i8) -> Self {
        self.max_scale = scale;
        self
    }

    /// The maximum number of buckets of a series for positive values, and also for negative values.
    /// Default: 160. Allowed: 4 to 10 000.
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

/// The allowed range of the maximum number of buckets.
pub(crate) const MAX_BUCKETS: RangeInclusive<u32> = 4..=10_000;
