//! Metrics whose names are in the fields of events: `monotonic_counter.NAME`, `counter.NAME`, `histogram.NAME` and `gauge.NAME`.

use crate::record::deferred::{DeferredMetrics, InstrumentCreator};
use crate::record::label_values::LabelValues;
use crate::record::per_instrument::PerInstrument;
use crate::rule::definitions::Definitions;
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
        if let Err(refused) = self.names.claim(kind, name) {
            self.creator.coverage().refuse(refused);
            return None;
        }
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let metrics = metrics.entry(name.to_owned()).or_insert_with(|| {
            let labels = self.labels.clone();
            Arc::new(DeferredMetrics::new(&self.creator, kind, name, labels, self.max_series))
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

/// The names and kinds of all metrics of a layer.
#[derive(Debug)]
pub(crate) struct MetricNames(Mutex<BTreeMap<String, (MetricKind, String)>>);

impl MetricNames {
    pub(crate) fn new(definitions: &Definitions<'_>) -> Self {
        let names = definitions.names();
        let names = names.map(|(canonical, kind, name)| (canonical, (kind, name.to_owned())));
        Self(Mutex::new(names.collect()))
    }

    /// Claims a name for a prefixed field, or returns why it is refused. It is refused if a metric of another kind has the name, or if
    /// a metric has the same name in another spelling.
    fn claim(&self, kind: MetricKind, name: &str) -> Result<(), String> {
        check_metric_name(kind, name).map_err(|error| error.to_string())?;
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.entry(canonical_name(name)).or_insert_with(|| (kind, name.to_owned()));
        if *known == (kind, name.to_owned()) {
            return Ok(());
        }
        let (known_kind, known) = known;
        Err(if *known_kind == kind {
            format!(
                "invalid metric name {name:?}: must be {known:?}, because a metrics backend does not distinguish them"
            )
        } else {
            format!("invalid {kind} name {name:?}: {known:?} is a {known_kind}")
        })
    }
}

const PREFIXES: [(&str, MetricKind); 4] = [
    ("monotonic_counter.", MetricKind::Sum),
    ("counter.", MetricKind::UpDown),
    ("histogram.", MetricKind::Histogram),
    ("gauge.", MetricKind::Gauge),
];
