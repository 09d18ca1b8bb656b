//! Metrics that fields of events name: `monotonic_counter.`, `counter.`, `histogram.`, `gauge.`.

use crate::check::check_name;
use crate::coverage::Coverage;
use crate::error::Kind;
use crate::instruments::{Definitions, canonical, prefixed};
use crate::metrics::EventMetrics;
use crate::plan::EventPlan;
use crate::rule::{OfField, Rule};
use crate::series::Places;
use crate::values::Values;
use opentelemetry::metrics::Meter;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing_core::Metadata;

/// A rule for prefixed fields.
#[derive(Debug)]
pub(crate) struct Prefixed {
    rule: Rule,
    meter: Meter,
    pub(crate) labels: Vec<Arc<Values>>,
    names: Arc<Names>,
    metrics: Mutex<BTreeMap<String, Arc<OnceLock<Arc<EventMetrics>>>>>,
    coverage: Coverage,
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
        meter: &Meter,
        rule: &Rule,
        labels: Vec<Arc<Values>>,
        names: &Arc<Names>,
        coverage: &Coverage,
    ) -> Self {
        Self {
            rule: rule.clone(),
            meter: meter.clone(),
            labels,
            names: Arc::clone(names),
            metrics: Mutex::default(),
            coverage: coverage.clone(),
        }
    }

    /// The metrics of this name; `None` when it is refused.
    fn metrics(&self, kind: Kind, name: &str) -> Option<Arc<EventMetrics>> {
        if let Err(problem) = self.names.take(kind, name) {
            self.coverage.refuse(problem);
            return None;
        }
        let cell = {
            let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(metrics.entry(name.to_owned()).or_default())
        };
        let metrics = cell.get_or_init(|| {
            let instruments = prefixed(&self.meter, kind, name, &self.rule);
            let max_series = self.rule.max_series.unwrap_or(crate::check::MAX_SERIES);
            Arc::new(EventMetrics::new(instruments, self.labels.clone(), max_series))
        });
        Some(Arc::clone(metrics))
    }
}

/// Where the metrics of an event are.
#[derive(Debug)]
pub(crate) enum EventSource {
    Rule(Arc<EventMetrics>),
    /// Created with the first event, not when the callsite is registered: `tracing` then holds its own lock, and the SDK logs
    /// what it creates.
    Field {
        prefixed: Arc<Prefixed>,
        kind: Kind,
        name: &'static str,
        metrics: OnceLock<Option<Arc<EventMetrics>>>,
    },
}

impl EventSource {
    pub(crate) fn metrics(&self) -> Option<&EventMetrics> {
        match self {
            Self::Rule(metrics) => Some(metrics),
            Self::Field { prefixed, kind, name, metrics } => {
                metrics.get_or_init(|| prefixed.metrics(*kind, name)).as_deref()
            }
        }
    }
}

impl EventPlan {
    pub(crate) fn new(
        rule: &Rule,
        metrics: &Arc<EventMetrics>,
        places: Places,
        metadata: &Metadata<'_>,
    ) -> Self {
        let index =
            |of: &Option<OfField>| Some(metadata.fields().field(&*of.as_ref()?.field)?.index());
        Self {
            source: EventSource::Rule(Arc::clone(metrics)),
            places,
            sum: index(&rule.sum),
            up_down: None,
            histogram: index(&rule.histogram),
            gauge: index(&rule.gauge),
        }
    }

    /// One for each prefixed field.
    pub(crate) fn prefixed(
        prefixed: &Arc<Prefixed>,
        places: &Places,
        metadata: &'static Metadata<'static>,
    ) -> impl Iterator<Item = Self> {
        metadata.fields().iter().filter_map(move |field| {
            let name: &'static str = field.name();
            let (kind, name) = PREFIXES
                .iter()
                .find_map(|(prefix, kind)| Some((*kind, name.strip_prefix(prefix)?)))?;
            let of_kind = |kinds: Kind| (kinds == kind).then_some(field.index());
            Some(Self {
                source: EventSource::Field {
                    prefixed: Arc::clone(prefixed),
                    kind,
                    name,
                    metrics: OnceLock::new(),
                },
                places: places.clone(),
                sum: of_kind(Kind::Sum),
                up_down: of_kind(Kind::UpDown),
                histogram: of_kind(Kind::Histogram),
                gauge: of_kind(Kind::Gauge),
            })
        })
    }
}

const PREFIXES: [(&str, Kind); 4] = [
    ("monotonic_counter.", Kind::Sum),
    ("counter.", Kind::UpDown),
    ("histogram.", Kind::Histogram),
    ("gauge.", Kind::Gauge),
];
