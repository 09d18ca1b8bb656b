/// Which measurements can become [exemplars](crate::ExporterBuilder::with_exemplars).
///
/// ```
/// use asdlc_exporter::{ExemplarFilter, Exporter};
///
/// # fn main() -> Result<(), asdlc_exporter::BuildError> {
/// let exporter = Exporter::builder("shop").with_exemplar_filter(ExemplarFilter::AlwaysOn).build()?;
/// # Ok(()) }
/// ```
///
/// The names are those of OpenTelemetry's specification (metrics SDK, "Exemplar Filter"), and of the environment
/// variable `OTEL_METRICS_EXEMPLAR_FILTER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExemplarFilter {
    /// `always_on`: all measurements. A measurement outside of a sampled span becomes an exemplar without ids.
    AlwaysOn,
    /// `always_off`: none. Recording costs nothing more.
    AlwaysOff,
    /// `trace_based`: measurements within a sampled span.
    TraceBased,
}
