//! The formats of an exposition.

/// The format of an exposition.
///
/// ```
/// use asdlc_exporter::{Exporter, Format};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").build()?;
/// exporter.meter().u64_counter("orders").build().add(1, &[]);
/// let text = exporter.render_as(Format::OpenMetrics)?;
/// assert!(text.contains("# TYPE orders counter\norders_total{service=\"shop\"} 1\n"));
/// assert!(text.ends_with("# EOF\n"));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// The Prometheus text format, version 0.0.4.
    #[default]
    Text,
    /// The `OpenMetrics` text format, version 1.0.0.
    OpenMetrics,
}
