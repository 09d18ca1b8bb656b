//! Metrics that fields of events name: `monotonic_counter.`, `counter.`, `histogram.`, `gauge.`.

use crate::error::Kind;
use crate::layer::capture::Numbers;
use crate::record::deferred::{Maker, Waiting};
use crate::record::instruments::{Definitions, canonical};
use crate::record::label_values::Values;
use crate::record::metrics::EventMetrics;
use crate::rule::check::check_name;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing_core::Metadata;

/// A rule for prefixed fields.
#[derive(Debug)]
pub(crate) struct Prefixed {
    maker: Arc<Maker>,
    pub(crate) labels: Vec<Arc<Values>>,
    max_series: usize,
    names: Arc<Names>,
    metrics: Mutex<BTreeMap<String, Arc<EventMetrics>>>,
}

/// The names of all metrics of a layer, with their kinds.
#[derive(Debug)]
pub(crate) struct Names(Mutex<BTreeMap<String, (Kind, String)>>);

impl Names {
    pub(crate) fn new(definitions: &Definitions<'_>) -> Self {
        let names = definitions.names();
        let names = names.map(|(canonical, kind, name)| (canonical, (kind, name.to_owned())));
        Self(Mutex::new(names.collect()))
    }

    /// Why the name is not to be had. A name that a rule gives is never shared: units and boundaries need not agree.
    fn take(&self, kind: Kind, name: &str) -> Result<(), String> {
        check_name(kind, name).map_err(|problem| problem.to_string())?;
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.entry(canonical(name)).or_insert_with(|| (kind, name.to_owned()));
        if *known == (kind, name.to_owned()) {
            return Ok(());
        }
        let (other, spelling) = known;
        Err(format!("{name:?} is a {kind}, but {spelling:?} already is a {other}"))
    }
}

impl Prefixed {
    pub(crate) fn new(
        maker: Arc<Maker>,
        labels: Vec<Arc<Values>>,
        max_series: usize,
        names: &Arc<Names>,
    ) -> Self {
        Self { maker, labels, max_series, names: Arc::clone(names), metrics: Mutex::default() }
    }

    /// The metrics of this name; `None` when it is refused. Their instruments are created later.
    fn metrics(&self, kind: Kind, name: &str) -> Option<Arc<EventMetrics>> {
        if let Err(problem) = self.names.take(kind, name) {
            self.maker.coverage().refuse(problem);
            return None;
        }
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let metrics = metrics.entry(name.to_owned()).or_insert_with(|| {
            let waiting = Waiting::new(&self.maker, kind, name);
            Arc::new(EventMetrics::of_field(waiting, self.labels.clone(), self.max_series))
        });
        Some(Arc::clone(metrics))
    }
}

/// Where the metrics of an event are.
#[derive(Debug)]
pub(crate) enum EventSource {
    Rule(Arc<EventMetrics>),
    /// Looked up with the first event.
    Field {
        prefixed: Arc<Prefixed>,
        kind: Kind,
        name: &'static str,
        metrics: OnceLock<Option<Arc<EventMetrics>>>,
    },
}

impl EventSource {
    #[inline]
    pub(crate) fn metrics(&self) -> Option<&Arc<EventMetrics>> {
        match self {
            Self::Rule(metrics) => Some(metrics),
            Self::Field { prefixed, kind, name, metrics } => {
                metrics.get_or_init(|| prefixed.metrics(*kind, name)).as_ref()
            }
        }
    }

    /// One for each prefixed field, with the field's index.
    pub(crate) fn prefixed(
        prefixed: &Arc<Prefixed>,
        metadata: &'static Metadata<'static>,
    ) -> impl Iterator<Item = (Self, Numbers<usize>)> {
        metadata.fields().iter().filter_map(move |field| {
            let name: &'static str = field.name();
            let (kind, name) = PREFIXES
                .iter()
                .find_map(|(prefix, kind)| Some((*kind, name.strip_prefix(prefix)?)))?;
            let of_kind = |kinds: Kind| (kinds == kind).then_some(field.index());
            let numbers = Numbers {
                sum: of_kind(Kind::Sum),
                up_down: of_kind(Kind::UpDown),
                histogram: of_kind(Kind::Histogram),
                gauge: of_kind(Kind::Gauge),
            };
            let prefixed = Arc::clone(prefixed);
            Some((Self::Field { prefixed, kind, name, metrics: OnceLock::new() }, numbers))
        })
    }
}

const PREFIXES: [(&str, Kind); 4] = [
    ("monotonic_counter.", Kind::Sum),
    ("counter.", Kind::UpDown),
    ("histogram.", Kind::Histogram),
    ("gauge.", Kind::Gauge),
];
