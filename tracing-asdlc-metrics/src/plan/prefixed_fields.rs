//! Metrics whose names are in the fields of events: `monotonic_counter.NAME`, `counter.NAME`, `histogram.NAME` and `gauge.NAME`.

use crate::record::deferred::{DeferredMetrics, InstrumentCreator};
use crate::record::label_values::LabelValues;
use crate::record::per_instrument::PerInstrument;
use crate::rule::definitions::Definitions;
use crate::rule::instrument_name::InstrumentName;
use crate::rule::metric::{MetricKind, canonical_name, check_metric_name};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing_core::Metadata;

/// A rule for prefixed fields, with the metrics that it has found so far.
#[derive(Debug)]
pub(crate) struct PrefixedFields {
    creator: Arc<InstrumentCreator>,
    pub(crate) labels: Vec<Arc<LabelValues>>,
    max_series: usize,
    names: Arc<MetricNames>,
    /// By the name in Prometheus.
    metrics: Mutex<BTreeMap<String, Arc<DeferredMetrics>>>,
}

impl PrefixedFields {
    pub(crate) fn new(
        creator: Arc<InstrumentCreator>,
        labels: Vec<Arc<LabelValues>>,
        max_series: usize,
        names: &Arc<MetricNames>,
    ) -> Self {
        Self { creator, labels, max_series, names: Arc::clone(names), metrics: Mutex::default() }
    }

    /// The metric with this name; `None` if it is refused. Its instrument is created later.
    fn metrics(&self, kind: MetricKind, name: &str) -> Option<Arc<DeferredMetrics>> {
        let instrument = self.creator.rule().instrument(kind, name);
        if let Err(refused) = self.names.claim(kind, name, instrument) {
            self.creator.coverage().refuse(refused);
            return None;
        }
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let metrics = metrics.entry(instrument.in_prometheus(kind)).or_insert_with(|| {
            let (labels, max_series) = (self.labels.clone(), self.max_series);
            Arc::new(DeferredMetrics::new(
                &self.creator,
                kind,
                name,
                instrument,
                labels,
                max_series,
            ))
        });
        Some(Arc::clone(metrics))
    }
}

/// A prefixed field of one callsite.
#[derive(Debug)]
pub(crate) struct PrefixedField {
    prefixed: Arc<PrefixedFields>,
    kind: MetricKind,
    name: &'static str,
    /// Set by the first event; `None` if the metric was refused.
    metrics: OnceLock<Option<Arc<DeferredMetrics>>>,
}

impl PrefixedField {
    /// The prefixed fields of a callsite, each with its index.
    pub(crate) fn all(
        prefixed: &Arc<PrefixedFields>,
        metadata: &'static Metadata<'static>,
    ) -> impl Iterator<Item = (Self, PerInstrument<usize>)> {
        metadata.fields().iter().filter_map(move |field| {
            let name: &'static str = field.name();
            let (kind, name) = PREFIXES
                .iter()
                .find_map(|(prefix, kind)| Some((*kind, name.strip_prefix(prefix)?)))?;
            let index_for = |instrument| (instrument == kind).then_some(field.index());
            let numbers = PerInstrument {
                sum: index_for(MetricKind::Sum),
                up_down: index_for(MetricKind::UpDown),
                histogram: index_for(MetricKind::Histogram),
                gauge: index_for(MetricKind::Gauge),
            };
            let prefixed = Arc::clone(prefixed);
            Some((Self { prefixed, kind, name, metrics: OnceLock::new() }, numbers))
        })
    }

    #[inline]
    pub(crate) fn metrics(&self) -> Option<&Arc<DeferredMetrics>> {
        let Self { prefixed, kind, name, metrics } = self;
        metrics.get_or_init(|| prefixed.metrics(*kind, name)).as_ref()
    }
}

/// The metrics of a layer, both by the name in Prometheus and by the name that a rule or a field has.
#[derive(Debug)]
pub(crate) struct MetricNames(Mutex<BTreeMap<String, KnownMetric>>);

#[derive(Clone, Debug)]
struct KnownMetric {
    kind: MetricKind,
    /// As the first rule or field has it.
    written: String,
    /// The name of the instrument.
    name: String,
}

impl MetricNames {
    pub(crate) fn new(definitions: &Definitions<'_>) -> Self {
        let names = definitions.names().flat_map(|(written, kind, instrument)| {
            let metric = KnownMetric::new(kind, written, instrument);
            keys(written, kind, instrument).map(|key| (key, metric.clone()))
        });
        Self(Mutex::new(names.collect()))
    }

    /// Claims the instrument of a prefixed field, or returns why it is refused. It is refused if a metric of another kind has the
    /// name, or if a metric has the same name in another spelling.
    fn claim(
        &self,
        kind: MetricKind,
        written: &str,
        instrument: InstrumentName<'_>,
    ) -> Result<(), String> {
        check_metric_name(kind, written).map_err(|error| error.to_string())?;
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = keys(written, kind, instrument);
        for known in keys.iter().filter_map(|key| names.get(key)) {
            let KnownMetric { kind: known_kind, written: known_written, name } = known;
            if *known_kind != kind {
                return Err(format!(
                    "invalid {kind} name {written:?}: {known_written:?} is a {known_kind}"
                ));
            }
            if name != instrument.name {
                return Err(format!(
                    "invalid metric name {written:?}: must be {known_written:?}, because a metrics backend does not distinguish them"
                ));
            }
        }
        for key in keys {
            names.entry(key).or_insert_with(|| KnownMetric::new(kind, written, instrument));
        }
        Ok(())
    }
}

impl KnownMetric {
    fn new(kind: MetricKind, written: &str, instrument: InstrumentName<'_>) -> Self {
        Self { kind, written: written.to_owned(), name: instrument.name.to_owned() }
    }
}

fn keys(written: &str, kind: MetricKind, instrument: InstrumentName<'_>) -> [String; 2] {
    [instrument.in_prometheus(kind), canonical_name(written)]
}

const PREFIXES: [(&str, MetricKind); 4] = [
    ("monotonic_counter.", MetricKind::Sum),
    ("counter.", MetricKind::UpDown),
    ("histogram.", MetricKind::Histogram),
    ("gauge.", MetricKind::Gauge),
];
