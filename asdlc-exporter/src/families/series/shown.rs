//! The series of a family that are served, and the values that they are served with.

use crate::{
    exemplars::Exemplar,
    families::{
        labels::attributes::Labels,
        model::{HistogramValue, Number, Quantile},
        series::{
            exemplars::FamilyExemplars,
            idle::Values,
            lifetimes::{FamilyLifetimes, Lifetime},
            table::Series,
        },
    },
    unix_time::UnixTime,
};

/// A series that is not hidden, with the values to serve.
pub(crate) struct ShownSeries<'t, 'a> {
    series: Series<'t, 'a>,
    lifetime: Option<&'t Lifetime>,
    base: Option<&'t Values>,
}

/// The series that are not hidden. All, if `family` is `None`.
#[inline]
pub(crate) fn shown<'t, 'a: 't>(
    family: Option<&'t FamilyLifetimes>,
    series: impl Iterator<Item = Series<'t, 'a>>,
) -> impl Iterator<Item = ShownSeries<'t, 'a>> {
    let mut lifetimes = family.map_or(&[][..], FamilyLifetimes::series).iter();
    let mut idle = family.map_or(&[][..], FamilyLifetimes::idle).iter();
    series.filter_map(move |series| {
        let (lifetime, idle) = (lifetimes.next(), idle.next());
        let Some(idle) = idle else { return Some(ShownSeries { series, lifetime, base: None }) };
        (!idle.is_hidden()).then(|| ShownSeries { series, lifetime, base: idle.base() })
    })
}

impl<'t> ShownSeries<'t, '_> {
    #[inline]
    pub(crate) fn labels(&self) -> Labels<'t> {
        self.series.labels()
    }

    /// The value of a counter or gauge.
    #[inline]
    pub(crate) fn value(&self) -> Number {
        self.since_base(0, self.series.value()).1
    }

    /// Replaces `value` by that of a histogram. With `None`, its exemplars stay as they are.
    #[inline]
    pub(crate) fn histogram(
        &self,
        value: &mut HistogramValue,
        exemplars: Option<&FamilyExemplars>,
    ) {
        self.series.histogram(value);
        if let Some(base) = self.base {
            value.subtract(base);
        }
        if let Some(exemplars) = exemplars {
            exemplars.read(self.series.rows(), &mut value.exemplars);
        }
    }

    /// The newest exemplar of a counter.
    #[inline]
    pub(crate) fn exemplar<'e>(&self, exemplars: &'e FamilyExemplars) -> Option<&'e Exemplar> {
        exemplars.newest(self.series.rows())
    }

    /// The moment before which it had no value. `None` if that is not known.
    #[inline]
    pub(crate) fn start(&self) -> Option<UnixTime> {
        self.lifetime.and_then(|lifetime| lifetime.start())
    }

    /// Replaces `quantiles` by those of a summary and returns count and sum.
    pub(crate) fn summary(&self, quantiles: &mut Vec<Quantile>) -> (u64, Number) {
        let (count, sum) = self.series.summary(quantiles);
        self.since_base(count, sum)
    }

    #[inline]
    fn since_base(&self, count: u64, value: Number) -> (u64, Number) {
        let Some(base) = self.base else { return (count, value) };
        (count.saturating_sub(base.count), value.minus(base.sum))
    }
}
