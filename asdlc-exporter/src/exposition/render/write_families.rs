//! Writes all families of a scrape, and their series.

use crate::{
    exemplars::{clocks::Clocks, store::ExemplarStore},
    exposition::{
        family_writer::{FamilyHead, FamilyWriter},
        format::Syntax,
        open_metrics,
        render::Query,
    },
    families::{
        catalogue::FamilyWarning,
        family::{Families, FamilyDescription},
        labels::{
            cache::LabelCache,
            row_memory::{RowLimits, RowMemory},
        },
        model::{FamilyKind, HistogramValue},
        names::base_name::base_name,
        series::{
            exemplars::FamilyExemplars,
            lifetimes::{FamilyLifetimes, Lifetimes},
            order::SeriesOrder,
            shown::shown,
            table::SeriesTable,
        },
    },
    unix_time::UnixTime,
};

/// Writes the families of a query.
pub(super) struct WriteFamilies<'a> {
    pub(super) query: &'a Query,
    pub(super) labels: &'a mut LabelCache,
    pub(super) orders: &'a mut Vec<SeriesOrder>,
    pub(super) row_limits: RowLimits,
    pub(super) lifetimes: &'a mut Lifetimes,
    /// `None` if the format has none, or none are recorded.
    pub(super) exemplars: Option<(&'a ExemplarStore, Clocks, &'a mut FamilyExemplars)>,
    /// When the collection began.
    pub(super) time: UnixTime,
    pub(super) warnings: &'a mut Vec<FamilyWarning>,
}

/// What was written.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) series: usize,
    pub(super) truncated: usize,
}

impl WriteFamilies<'_> {
    pub(super) fn write(self, families: &Families<'_>, writer: &mut impl FamilyWriter) -> Counts {
        let Self { query, labels, orders, row_limits, lifetimes, mut exemplars, time, warnings } =
            self;
        let Query { output, names } = query;
        let mut counts = Counts::default();
        let escaping = output.escaping;
        let constant = labels.written_constant(escaping, false);
        let mut configured = None;
        let mut table = SeriesTable::default();
        let mut memory =
            RowMemory::left_by(orders.iter().map(SeriesOrder::labels), row_limits, labels);
        let (mut histogram, mut quantiles) = (HistogramValue::default(), Vec::new());
        for family in families.iter() {
            let description = family.description;
            let is_named = |name: &String| *name == description.name || name == family.written_name;
            if !names.is_empty() && !names.iter().any(is_named) {
                continue;
            }
            if orders.len() <= family.id {
                orders.resize_with(family.id + 1, SeriesOrder::default);
            }
            if table.load(&family, labels, &mut orders[family.id], &mut memory) {
                // There is not enough memory for these labels and for others that are encoded.
                memory.stop_encoding();
                orders.iter_mut().for_each(SeriesOrder::forget_encoded);
                labels.forget_dictionary();
            }
            let order = &mut orders[family.id];
            let truncated = labels.take_truncated();
            counts.truncated += truncated;
            if truncated > 0 && !order.is_truncation_logged {
                order.is_truncation_logged = true;
                warnings.push(FamilyWarning::TruncatedLabels(description.name.clone()));
            }
            if table.overflows() && !order.is_overflow_reported {
                order.is_overflow_reported = true;
                warnings.push(FamilyWarning::Overflow(description.name.clone()));
            }
            let series = table.series(labels, order);
            let lifetimes = lifetimes.observe(&family, order, || series.iter());
            if lifetimes.is_some_and(FamilyLifetimes::is_hidden) {
                order.keep_labels(&mut memory);
                continue;
            }
            let kind = description.kind;
            let is_target = kind == FamilyKind::TargetInfo;
            if is_target {
                configured = Some(labels.written_constant(escaping, true));
            }
            labels.prepare(escaping);
            // The boundaries of another family may be others. A series without exemplars costs one comparison more.
            histogram.buckets.clear();
            histogram.exemplars.clear();
            let exemplars = exemplars.as_mut();
            let exemplars = exemplars
                .and_then(|(store, clocks, of)| of.load(&family, (*store, &*clocks), time));
            let series = table.written(labels, order, escaping);
            let shown = || shown(lifetimes, series.iter());
            let has_base_name = output.syntax == Syntax::OpenMetrics
                && family.has_base_name
                && shown().all(|series| open_metrics::fits_type(kind, series.value()));
            let constant = configured.as_ref().filter(|_| is_target).unwrap_or(&constant);
            let FamilyDescription { help, unit, .. } = description;
            let name = family.written_name;
            let base_name = has_base_name.then(|| base_name(name, kind)).flatten();
            let head = FamilyHead { name, base_name, help, kind, unit, constant };
            // Some formats need all series before they can write the first.
            loop {
                let mut written = 0;
                writer.begin(&head);
                for series in shown() {
                    written += 1;
                    let labels = series.labels();
                    match kind {
                        FamilyKind::Counter => {
                            let value = series.value();
                            // The exemplar of a counter that is 0 belongs to a request that a later scrape counts.
                            let exemplars = exemplars.filter(|_| value.float() != 0.0);
                            let exemplar = exemplars.and_then(|it| series.exemplar(it));
                            writer.sample(labels, value, series.start(), exemplar);
                        }
                        FamilyKind::Gauge | FamilyKind::Unknown | FamilyKind::TargetInfo => {
                            writer.sample(labels, series.value(), None, None);
                        }
                        FamilyKind::Histogram => {
                            series.histogram(&mut histogram, exemplars);
                            writer.histogram(labels, &histogram, series.start());
                        }
                        FamilyKind::Summary => {
                            let (count, sum) = series.summary(&mut quantiles);
                            writer.summary(labels, &quantiles, count, sum, series.start());
                        }
                    }
                }
                if writer.end() {
                    counts.series += written;
                    break;
                }
            }
            order.keep_labels(&mut memory);
            if writer.is_stopped() {
                break;
            }
        }
        if memory.end(labels) {
            orders.iter_mut().for_each(SeriesOrder::forget_encoded);
        }
        counts
    }
}
