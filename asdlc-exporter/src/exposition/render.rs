//! Writes the exposition of a scrape: all families and their series.

use crate::{
    exemplars::store::ExemplarStore,
    exposition::{
        chunks::{ChunkBuffer, Sink},
        family_writer::{FamilyHead, FamilyWriter},
        format::{Output, Syntax},
        open_metrics,
        protobuf::ProtobufWriter,
        text::{SPARE, TextWriter},
    },
    families::{
        base_name::base_name,
        catalogue::{Catalogue, FamilyWarning},
        constant_labels::ConstantLabels,
        exemplars::FamilyExemplars,
        family::{Families, FamilyDescription},
        foreign::ForeignFamily,
        idle_timeout::IdleTimeout,
        label_cache::LabelCache,
        lifetimes::{Collection, FamilyLifetimes, Lifetimes},
        limits::DEFAULT_VALUE_LEN,
        model::{FamilyKind, HistogramValue},
        native_histograms::NativeHistograms,
        policy::NamePolicy,
        resource::{ResourceSettings, ServedResource},
        scope_labels::ScopeLabels,
        series::{SeriesOrder, SeriesTable},
        shown::shown,
    },
    unix_time::UnixTime,
};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use std::{sync::Arc, time::Instant};

/// Writes the expositions of a reader. Keeps what the next scrape reuses.
#[derive(Debug)]
pub(crate) struct Renderer {
    catalogue: Catalogue,
    labels: LabelCache,
    /// The order of the series of each family, indexed by the id of the family.
    orders: Vec<SeriesOrder>,
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

/// The settings of a [`Renderer`].
#[derive(Debug)]
pub(crate) struct RenderSettings {
    pub(crate) policy: NamePolicy,
    pub(crate) constant: ConstantLabels,
    pub(crate) max_value_len: usize,
    pub(crate) scope_labels: ScopeLabels,
    pub(crate) resource: ResourceSettings,
    /// Whether a collection without metrics is valid. It is not if the exporter's own `uptime_seconds`
    /// must be there.
    pub(crate) may_be_empty: bool,
    /// When series are no longer served. `None` means never.
    pub(crate) idle: Option<IdleTimeout>,
    /// The histograms that are to be native.
    pub(crate) native: Option<NativeHistograms>,
    /// Whether `OpenMetrics` has the start time of each series, in lines `_created`.
    pub(crate) has_created_lines: bool,
    /// `None` if no exemplars are recorded.
    pub(crate) exemplars: Option<Arc<ExemplarStore>>,
    /// When the reader was built.
    pub(crate) built: UnixTime,
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

impl Rendered {
    /// The text, if it was written to memory as a whole.
    pub(crate) fn into_text(self) -> String {
        // Text writers write only strings.
        String::from_utf8(self.bytes).unwrap_or_default()
    }
}

impl Default for RenderSettings {
    fn default() -> Self {
        Self {
            policy: NamePolicy::default(),
            constant: ConstantLabels::default(),
            max_value_len: DEFAULT_VALUE_LEN,
            scope_labels: ScopeLabels::NONE,
            resource: ResourceSettings::default(),
            may_be_empty: false,
            idle: None,
            native: None,
            has_created_lines: false,
            exemplars: None,
            built: UnixTime::now(),
        }
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
            built,
        } = settings;
        Self {
            lifetimes: Lifetimes::new(built, idle.as_ref().map(IdleTimeout::timeout)),
            labels: LabelCache::new(constant, scope_labels, policy.key_style(), max_value_len),
            catalogue: Catalogue::new(policy, idle, native),
            orders: Vec::new(),
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
        labels.trim();
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
        let size = if query.names.is_empty() { &mut sizes[query.output.index()] } else { &mut 0 };
        memory.clear();
        let most = sink.as_ref().map_or(usize::MAX, |(_, size)| *size);
        memory.reserve_exact((*size + *size / 512).min(most) + SPARE);
        let mut out = ChunkBuffer::new(memory, sink);
        lifetimes.begin(&families, Collection { now, time, is_complete });
        let has_exemplars = match query.output.syntax {
            Syntax::OpenMetrics | Syntax::Protobuf => true,
            Syntax::Text004 | Syntax::Text100 => false,
        };
        let exemplars = exemplars.as_deref().filter(|_| has_exemplars);
        if exemplars.is_some_and(ExemplarStore::is_unused) && !*is_unused_logged {
            *is_unused_logged = true;
            warnings.push(FamilyWarning::NoExemplars);
        }
        let exemplars = exemplars.map(|store| (store, family_exemplars));
        let series = Writing { query, labels, orders, lifetimes, exemplars, time, warnings };
        let counts = match query.output.syntax {
            Syntax::Text004 | Syntax::Text100 => {
                series.write(&families, &mut TextWriter::new(&mut out, false, false))
            }
            Syntax::OpenMetrics => {
                series.write(&families, &mut TextWriter::new(&mut out, true, *has_created_lines))
            }
            Syntax::Protobuf => series.write(&families, &mut ProtobufWriter::new(&mut out)),
        };
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

#[derive(Default)]
struct Counts {
    series: usize,
    truncated: usize,
}

/// What a format is written with.
struct Writing<'a> {
    query: &'a Query,
    labels: &'a mut LabelCache,
    orders: &'a mut Vec<SeriesOrder>,
    lifetimes: &'a mut Lifetimes,
    /// `None` if the format has none, or none are recorded.
    exemplars: Option<(&'a ExemplarStore, &'a mut FamilyExemplars)>,
    /// When the collection began.
    time: UnixTime,
    warnings: &'a mut Vec<FamilyWarning>,
}

impl Writing<'_> {
    fn write(self, families: &Families<'_>, writer: &mut impl FamilyWriter) -> Counts {
        let Self { query, labels, orders, lifetimes, mut exemplars, time, warnings } = self;
        let Query { output, names } = query;
        let mut counts = Counts::default();
        let escaping = output.escaping;
        let constant = labels.written_constant(escaping, false);
        let mut configured = None;
        let mut table = SeriesTable::default();
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
            let order = &mut orders[family.id];
            table.load(&family, labels, order);
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
            let series = || table.iter(labels, order);
            let lifetimes = lifetimes.observe(&family, order, series);
            if lifetimes.is_some_and(FamilyLifetimes::is_hidden) {
                continue;
            }
            let kind = description.kind;
            let is_target = kind == FamilyKind::TargetInfo;
            if is_target {
                configured = Some(labels.written_constant(escaping, true));
            }
            labels.prepare(escaping);
            // A series without exemplars costs one comparison more.
            histogram.exemplars.clear();
            let exemplars = exemplars.as_mut();
            let exemplars = exemplars.and_then(|(store, of)| of.load(&family, store, time));
            let shown = || shown(lifetimes, table.written(labels, order, escaping));
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
                            let exemplar = exemplars.and_then(|it| series.exemplar(it));
                            writer.sample(labels, series.value(), series.start(), exemplar);
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
            if writer.is_stopped() {
                break;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::reader::Reader;
    use opentelemetry::{
        KeyValue,
        metrics::{Meter, MeterProvider as _},
    };
    use opentelemetry_sdk::metrics::{
        Aggregation, Instrument, SdkMeterProvider, Stream, reader::MetricReader as _,
    };
    use prometheus::{Registry, TextEncoder};

    fn renderer() -> Renderer {
        Renderer::new(RenderSettings::default())
    }

    fn text(renderer: &mut Renderer, recorded: &ResourceMetrics) -> Option<String> {
        let collected = Collected::now(recorded);
        let rendered = renderer.render(collected, &Query::all(Output::TEXT), Vec::new(), None);
        rendered.map(Rendered::into_text)
    }

    /// The metrics that the reader collects after `record`, and the text that opentelemetry-prometheus
    /// writes.
    fn collect(
        view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static,
        record: impl FnOnce(&Meter),
    ) -> (ResourceMetrics, String) {
        let registry = Registry::new();
        let bridge = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_target_info()
            .scope_info_enabled(false)
            .build()
            .unwrap();
        let reader = Reader::default();
        let provider = SdkMeterProvider::builder()
            .with_reader(reader.clone())
            .with_reader(bridge)
            .with_view(view)
            .build();
        record(&provider.meter("test"));
        let mut metrics = ResourceMetrics::default();
        reader.collect(&mut metrics).unwrap();
        (metrics, TextEncoder::new().encode_to_string(&registry.gather()).unwrap())
    }

    #[test]
    fn valid_metrics_are_written_as_opentelemetry_prometheus_writes_them() {
        let (metrics, expected) = collect(
            |_| None,
            |meter| {
                let orders =
                    meter.u64_counter("orders.taken").with_description("Back\\slash").build();
                for (paid, shop) in [(true, "a"), (false, "a"), (true, "b \"quoted\"\n")] {
                    orders.add(1, &[KeyValue::new("shop", shop), KeyValue::new("paid", paid)]);
                }
                let wait = meter
                    .f64_histogram("wait")
                    .with_unit("s")
                    .with_description("Waiting.")
                    .with_boundaries(vec![0.005, 0.5, 1.0, 10.0])
                    .build();
                for seconds in [0.001, 0.25, 0.75, 20.0] {
                    wait.record(seconds, &[KeyValue::new("shop", "a")]);
                }
                wait.record(1.0, &[]);
                let size = meter.u64_histogram("size").with_unit("By").with_description("Size.");
                size.with_boundaries(vec![]).build().record(12, &[]);
                let level = meter.i64_up_down_counter("level").with_description("Level.").build();
                level.add(-7, &[KeyValue::new("zone", 1)]);
                meter.f64_gauge("load").with_description("Load.").build().record(0.75, &[]);
            },
        );
        assert_eq!(text(&mut renderer(), &metrics).unwrap(), expected);
    }

    #[test]
    fn an_exponential_histogram_has_classic_buckets() {
        let (metrics, _) = collect(
            |_| {
                let aggregation = Aggregation::Base2ExponentialHistogram {
                    max_size: 160,
                    max_scale: 20,
                    record_min_max: true,
                };
                Stream::builder().with_aggregation(aggregation).build().ok()
            },
            |meter| {
                let wait = meter.f64_histogram("wait").build();
                [0.5, 1.5, 100.0].into_iter().for_each(|seconds| wait.record(seconds, &[]));
            },
        );
        let text = text(&mut renderer(), &metrics).unwrap();
        for line in ["0.25\"} 0", "1\"} 1", "64\"} 2", "256\"} 3", "+Inf\"} 3"] {
            assert!(text.contains(&format!("wait_bucket{{le=\"{line}\n")), "{line} in {text}");
        }
        assert!(text.ends_with("wait_sum 102\nwait_count 3\n"), "{text}");
    }

    #[test]
    fn a_key_can_be_reserved_in_one_family_and_not_in_the_next() {
        let (metrics, _) = collect(
            |_| None,
            |meter| {
                let labels = [KeyValue::new("le", "x")];
                meter.u64_counter("a").build().add(1, &labels);
                meter.f64_histogram("b").with_boundaries(vec![]).build().record(1.0, &labels);
                meter.u64_counter("c").build().add(1, &labels);
            },
        );
        let text = text(&mut renderer(), &metrics).unwrap();
        for line in ["a_total{le=\"x\"} 1", "b_count{exported_le=\"x\"} 1", "c_total{le=\"x\"} 1"] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }

    // X-05, C-09
    #[test]
    fn a_conflict_is_reported_once() {
        let (metrics, _) = collect(
            |_| None,
            |meter| {
                meter.u64_gauge("jobs").build().record(1, &[]);
                meter.f64_histogram("jobs").build().record(1.0, &[]);
                meter.u64_gauge("wait_sum").build().record(1, &[]);
                meter.f64_histogram("wait").build().record(1.0, &[]);
            },
        );
        let mut renderer = renderer();
        let first = text(&mut renderer, &metrics).unwrap();
        let warnings: Vec<_> = renderer.take_warnings().iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "the histogram `jobs` is not served, because its name conflicts with the gauge `jobs`, \
                 which was collected first: rename one of them",
                "the histogram `wait` is not served, because its name conflicts with the gauge \
                 `wait_sum`, which was collected first: rename one of them",
            ]
        );
        assert_eq!(text(&mut renderer, &metrics).unwrap(), first);
        assert!(renderer.take_warnings().is_empty());
    }

    // X-09, C-09
    #[test]
    fn a_second_help_text_or_unit_is_reported_once_and_its_points_are_served() {
        let (metrics, _) = collect(
            |_| None,
            |meter| {
                let counter = |name, help| {
                    meter.u64_counter(name).with_description(help).build().add(1, &[]);
                };
                counter("orders", "Taken.");
                counter("orders_total", "Orders.");
                counter("jobs", "Done.");
                counter("jobs_total", "");
                meter.f64_gauge("wait").with_unit("s").build().record(1.0, &[]);
                meter.f64_gauge("wait_seconds").build().record(1.0, &[]);
                meter.f64_gauge("size_bytes_seconds").with_unit("By").build().record(1.0, &[]);
                meter.f64_gauge("size_bytes").with_unit("s").build().record(2.0, &[]);
            },
        );
        let mut renderer = renderer();
        let first = text(&mut renderer, &metrics).unwrap();
        for line in ["# HELP orders_total Taken.", "orders_total 2", "size_bytes_seconds 2"] {
            assert!(first.lines().any(|l| l == line), "{line} in {first}");
        }
        let warnings: Vec<_> = renderer.take_warnings().iter().map(ToString::to_string).collect();
        let warning = |name| {
            format!("`{name}` was recorded with several help texts or units: the first are served")
        };
        assert_eq!(warnings, [warning("orders_total"), warning("size_bytes_seconds")]);
        assert_eq!(text(&mut renderer, &metrics).unwrap(), first);
        assert!(renderer.take_warnings().is_empty());
    }

    //
    #[test]
    fn an_overflow_is_reported_once() {
        let (metrics, _) = collect(
            |_| Stream::builder().with_cardinality_limit(1).build().ok(),
            |meter| {
                for name in ["a", "b"] {
                    let counter = meter.u64_counter(name).build();
                    (0..3).for_each(|at| counter.add(1, &[KeyValue::new("at", at)]));
                }
                meter.u64_counter("c").build().add(1, &[]);
            },
        );
        let mut renderer = renderer();
        for expected in [&["a_total", "b_total"][..], &[]] {
            text(&mut renderer, &metrics).unwrap();
            let warnings = renderer.take_warnings();
            let overflowing: Vec<_> = warnings
                .iter()
                .filter_map(|warning| match warning {
                    FamilyWarning::Overflow(name) => Some(name.as_str()),
                    _ => None,
                })
                .collect();
            assert_eq!(overflowing, expected);
            assert_eq!(warnings.len(), expected.len());
        }
    }

    //
    #[test]
    fn self_metrics_alone_are_no_text() {
        let (own, _) =
            collect(|_| None, |meter| meter.u64_counter("exporter_response").build().add(1, &[]));
        let recorded = ResourceMetrics::default();
        let collected = Collected { own: Some(&own), ..Collected::now(&recorded) };
        let text = |renderer: &mut Renderer| {
            let rendered = renderer.render(collected, &Query::all(Output::TEXT), Vec::new(), None);
            rendered.map(Rendered::into_text)
        };
        assert_eq!(text(&mut renderer()), None);
        let settings = RenderSettings { may_be_empty: true, ..RenderSettings::default() };
        assert!(text(&mut Renderer::new(settings)).unwrap().contains("exporter_response_total 1"));
    }

    //
    #[test]
    fn without_metrics_there_is_no_text() {
        assert_eq!(text(&mut renderer(), &ResourceMetrics::default()), None);
    }
}
