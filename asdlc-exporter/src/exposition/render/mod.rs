//! Writes the exposition of a scrape. `settings` has the settings of a reader, and `write_families` writes all families and
//! their series.

mod settings;
#[cfg(test)]
mod tests;
mod write_families;

pub(crate) use settings::RenderSettings;

use crate::{
    exemplars::store::ExemplarStore,
    exposition::{
        chunks::{ChunkBuffer, Sink},
        format::{Output, Syntax},
        open_metrics,
        protobuf::ProtobufWriter,
        text::{SPARE, TextWriter},
    },
    families::{
        catalogue::{Catalogue, FamilyWarning},
        foreign::ForeignFamily,
        labels::{cache::LabelCache, resource::ServedResource, row_memory::RowLimits},
        series::{
            exemplars::FamilyExemplars,
            idle_timeout::IdleTimeout,
            lifetimes::{Collection, Lifetimes},
            order::SeriesOrder,
        },
    },
    unix_time::UnixTime,
};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use std::{sync::Arc, time::Instant};
use write_families::{Counts, WriteFamilies};

/// Writes the expositions of a reader. Keeps what the next scrape reuses.
#[derive(Debug)]
pub(crate) struct Renderer {
    catalogue: Catalogue,
    labels: LabelCache,
    /// The order of the series of each family, indexed by the id of the family.
    orders: Vec<SeriesOrder>,
    row_limits: RowLimits,
    lifetimes: Lifetimes,
    /// The size of the last unfiltered exposition, by format. The next one has about the same size.
    sizes: [usize; Output::COUNT],
    may_be_empty: bool,
    has_created_lines: bool,
    /// `None` if none are recorded.
    exemplars: Option<Arc<ExemplarStore>>,
    family_exemplars: FamilyExemplars,
    /// Whether a warning was logged that the meters record no exemplars.
    is_unused_logged: bool,
    /// The warnings about labels and series since the last call of `take_warnings`.
    warnings: Vec<FamilyWarning>,
    resource: ServedResource,
}

/// What was collected for one scrape.
#[derive(Clone, Copy)]
pub(crate) struct Collected<'a> {
    pub(crate) recorded: &'a ResourceMetrics,
    /// The self-metrics.
    pub(crate) own: Option<&'a ResourceMetrics>,
    pub(crate) foreign: &'a [ForeignFamily<'a>],
    /// When the collection began.
    pub(crate) now: Instant,
    /// The same moment by the clock of the system.
    pub(crate) time: UnixTime,
    /// Whether all registries could be read.
    pub(crate) is_complete: bool,
}

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Query {
    pub(crate) output: Output,
    /// The families to write. Empty means all.
    pub(crate) names: Vec<String>,
}

impl<'a> Collected<'a> {
    /// Metrics that are collected now.
    #[cfg(test)]
    pub(crate) fn now(recorded: &'a ResourceMetrics) -> Self {
        let (now, time) = (Instant::now(), UnixTime::now());
        Self { recorded, own: None, foreign: &[], now, time, is_complete: true }
    }
}

impl Query {
    /// All families.
    pub(crate) fn all(output: Output) -> Self {
        Self { output, names: Vec::new() }
    }
}

/// The exposition of a query.
#[derive(Debug, PartialEq)]
pub(crate) struct Rendered {
    /// What the sink did not take.
    pub(crate) bytes: Vec<u8>,
    /// How many bytes were written in all.
    pub(crate) written: usize,
    /// Whether everything was written. If not, the sink [stopped](Sink::take) the exposition.
    pub(crate) is_complete: bool,
    pub(crate) series: usize,
    /// How many labels are truncated or left out.
    pub(crate) truncated: usize,
}

impl Rendered {
    /// The text, if it was written to memory as a whole.
    pub(crate) fn into_text(self) -> String {
        // Text writers write only strings.
        String::from_utf8(self.bytes).unwrap_or_default()
    }
}

impl Renderer {
    pub(crate) fn new(settings: RenderSettings) -> Self {
        let RenderSettings {
            policy,
            constant,
            max_value_len,
            scope_labels,
            resource,
            may_be_empty,
            idle,
            native,
            has_created_lines,
            exemplars,
            row_limits,
            built,
        } = settings;
        Self {
            lifetimes: Lifetimes::new(built, idle.as_ref().map(IdleTimeout::timeout)),
            labels: LabelCache::new(constant, scope_labels, policy.key_style(), max_value_len),
            catalogue: Catalogue::new(policy, idle, native),
            orders: Vec::new(),
            row_limits,
            sizes: [0; Output::COUNT],
            may_be_empty,
            has_created_lines,
            exemplars,
            family_exemplars: FamilyExemplars::default(),
            is_unused_logged: false,
            warnings: Vec::new(),
            resource: ServedResource::new(resource),
        }
    }

    /// Writes the metrics into `memory`, or in chunks into the sink. The number beside the sink is the minimum
    /// size of the first chunk in bytes. Returns `None` if there is no family, although there must be one.
    /// Then nothing was written.
    pub(crate) fn render(
        &mut self,
        collected: Collected<'_>,
        query: &Query,
        mut memory: Vec<u8>,
        sink: Option<(&mut dyn Sink, usize)>,
    ) -> Option<Rendered> {
        let Collected { recorded, own, foreign, now, time, is_complete } = collected;
        let Self {
            catalogue,
            labels,
            orders,
            row_limits,
            lifetimes,
            sizes,
            may_be_empty,
            has_created_lines,
            exemplars,
            family_exemplars,
            is_unused_logged,
            warnings,
            resource,
        } = self;
        if labels.trim() {
            orders.iter_mut().for_each(SeriesOrder::forget_labels);
        }
        let read = resource.read(recorded.resource(), labels);
        warnings.extend(read.into_iter().map(FamilyWarning::Resource));
        let target_info = resource.target_info().map(|text| labels.scopes().store(text));
        let escaping = query.output.escaping;
        let families =
            catalogue.sort(recorded, own, foreign, target_info, labels.scopes(), escaping);
        // Self-metrics and registries do not show that the metrics of the provider were collected.
        let is_lost = || recorded.scope_metrics().all(|scope| scope.metrics().next().is_none());
        if !*may_be_empty && (families.is_empty() || is_lost()) {
            return None;
        }
        let most = sink.as_ref().map_or(usize::MAX, |(_, size)| *size);
        let is_large = sizes.iter().any(|size| *size > most);
        let may_be_large = is_large || sizes.iter().all(|size| *size == 0);
        let needs_same_length = sink.as_ref().is_some_and(|(sink, _)| sink.needs_same_length());
        let size = if query.names.is_empty() { &mut sizes[query.output.index()] } else { &mut 0 };
        memory.clear();
        memory.reserve_exact(match *size {
            // It is probably large in this format, too.
            0 if is_large => most + SPARE,
            size => (size + size / 512).min(most) + SPARE,
        });
        let mut out = ChunkBuffer::new(memory, sink);
        lifetimes.begin(&families, Collection { now, time, is_complete });
        let has_exemplars = match query.output.syntax {
            Syntax::OpenMetrics | Syntax::Protobuf => true,
            Syntax::Text004 | Syntax::Text100 => false,
        };
        // New exemplars can be recorded at any time, also between two passes.
        let has_exemplars = has_exemplars && !(needs_same_length && may_be_large);
        let exemplars = exemplars.as_deref().filter(|_| has_exemplars);
        if exemplars.is_some_and(ExemplarStore::is_unused) && !*is_unused_logged {
            *is_unused_logged = true;
            warnings.push(FamilyWarning::NoExemplars);
        }
        let store = exemplars;
        let exemplars = exemplars.map(|store| (store, store.compare_clocks(), family_exemplars));
        let row_limits = *row_limits;
        let series = WriteFamilies {
            query,
            labels,
            orders,
            row_limits,
            lifetimes,
            exemplars,
            time,
            warnings,
        };
        let counts = match query.output.syntax {
            Syntax::Text004 | Syntax::Text100 => {
                series.write(&families, &mut TextWriter::new(&mut out, false, false))
            }
            Syntax::OpenMetrics => {
                series.write(&families, &mut TextWriter::new(&mut out, true, *has_created_lines))
            }
            Syntax::Protobuf => series.write(&families, &mut ProtobufWriter::new(&mut out)),
        };
        if let Some(store) = store {
            store.end_scrape();
        }
        match query.output.syntax {
            Syntax::OpenMetrics => out.bytes.extend_from_slice(open_metrics::EOF),
            Syntax::Text004 | Syntax::Text100 if out.written() == 0 => {
                out.bytes.extend_from_slice(b"# There are no such metrics.\n");
            }
            Syntax::Text004 | Syntax::Text100 | Syntax::Protobuf => {}
        }
        if !out.is_stopped() {
            *size = out.written();
        }
        let Counts { series, truncated } = counts;
        let (written, is_complete) = (out.written(), !out.is_stopped());
        Some(Rendered { bytes: out.bytes, written, is_complete, series, truncated })
    }

    /// How many families have labels that are encoded.
    #[cfg(test)]
    pub(crate) fn encoded(&self) -> usize {
        self.orders.iter().filter(|order| order.labels().are_encoded()).count()
    }

    #[cfg(test)]
    pub(crate) fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }

    /// The warnings since the last call.
    pub(crate) fn take_warnings(&mut self) -> Vec<FamilyWarning> {
        let mut warnings = self.catalogue.take_warnings();
        warnings.append(&mut self.warnings);
        warnings
    }

    /// How many metrics are not served because of their names or kinds.
    pub(crate) fn dropped(&self) -> usize {
        self.catalogue.dropped()
    }
}
