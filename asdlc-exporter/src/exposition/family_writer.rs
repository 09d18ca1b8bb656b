//! The trait that the writer of each format implements.

use crate::{
    exemplars::Exemplar,
    families::{
        labels::{attributes::Labels, constant::ConstantLabels},
        model::{FamilyKind, HistogramValue, Number, Quantile},
    },
    unix_time::UnixTime,
};

/// Writes families one after the other. For each family: [`begin`](Self::begin), then each of its series,
/// then [`end`](Self::end).
///
/// `start` is the start time of a series: the moment before which it had no value. `None` if it is not known,
/// or the series has none, as a gauge.
pub(crate) trait FamilyWriter {
    /// Begins a family.
    fn begin(&mut self, family: &FamilyHead<'_>);

    /// Writes a series of a counter or gauge, or of unknown type. Only a counter has an exemplar.
    fn sample(
        &mut self,
        labels: Labels<'_>,
        value: Number,
        start: Option<UnixTime>,
        exemplar: Option<&Exemplar>,
    );

    /// Writes a series of a histogram, with the exemplars of the value.
    fn histogram(&mut self, labels: Labels<'_>, value: &HistogramValue, start: Option<UnixTime>);

    /// Writes a series of a summary.
    fn summary(
        &mut self,
        labels: Labels<'_>,
        quantiles: &[Quantile],
        count: u64,
        sum: Number,
        start: Option<UnixTime>,
    );

    /// Ends the family. Returns whether it is written. If not, the writer has only measured the family. Then
    /// pass the whole family again: `begin`, its series and `end`.
    fn end(&mut self) -> bool;

    /// Whether nobody reads the exposition any more.
    fn is_stopped(&self) -> bool;
}

/// What is written of a family before its series. Names are escaped.
#[derive(Clone, Copy)]
pub(crate) struct FamilyHead<'a> {
    pub(crate) name: &'a str,
    /// The name without the suffix of its samples, if `OpenMetrics` can use it for this family and all
    /// values [fit the type](super::open_metrics::fits_type).
    pub(crate) base_name: Option<&'a str>,
    pub(crate) help: &'a str,
    pub(crate) kind: FamilyKind,
    /// In Prometheus' words. Empty if there is none.
    pub(crate) unit: &'a str,
    /// The labels that each series gets, before its own.
    pub(crate) constant: &'a ConstantLabels,
}
