use crate::{
    collect::{
        reader::Reader,
        self_metrics::SelfMetrics,
        source::{Source, Sources},
        source_run::Round,
    },
    error::{ScrapeError, ScrapeErrorKind},
    exporter::{builder::ExporterBuilder, meters::Meters},
    exposition::render::{Collected, Query, Rendered, Renderer},
    families::{
        model::Format,
        registered::{MetricFamily, Registry},
    },
    scrape::{Desk, ScrapeService},
    survive::survive,
};
use opentelemetry::metrics::Meter;
use opentelemetry_sdk::metrics::{SdkMeterProvider, data::ResourceMetrics};
use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// A meter provider and the Prometheus text of what its meters record.
///
/// ```
/// use asdlc_exporter::Exporter;
/// use opentelemetry::KeyValue;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").with_namespace("asdlc").build()?;
/// let orders = exporter.meter().u64_counter("orders").with_description("Orders taken.").build();
/// orders.add(1, &[KeyValue::new("paid", true)]);
///
/// let text = exporter.render()?;
/// assert!(text.contains("# HELP asdlc_orders_total Orders taken.\n# TYPE asdlc_orders_total counter\n"));
/// assert!(text.contains(r#"asdlc_orders_total{service="shop",paid="true"} 1"#));
/// # Ok(()) }
/// ```
///
/// Clones are cheap and share everything; nothing is global. The provider lives as long as the last
/// clone, a [`ScrapeService`] included.
#[derive(Clone)]
pub struct Exporter {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    service: String,
    provider: SdkMeterProvider,
    meters: Meters,
    meter: Meter,
    reader: Reader,
    registry: Option<Registry>,
    scrape: Mutex<Scrape>,
    limits: Limits,
    sources: Sources,
    self_metrics: Option<SelfMetrics>,
    start: SystemTime,
    desk: Desk,
}

/// What one scrape leaves for the next.
struct Scrape {
    /// Memory to collect into. Taken while a scrape collects.
    metrics: Option<ResourceMetrics>,
    renderer: Renderer,
}

/// How much is done for scrapes over HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) timeout: Duration,
    pub(crate) in_flight: usize,
    /// Of each source, whoever waits for it.
    pub(crate) source_timeout: Duration,
}

/// What the builder prepares.
pub(crate) struct Parts {
    pub(crate) service: String,
    pub(crate) provider: SdkMeterProvider,
    pub(crate) meters: Meters,
    pub(crate) meter: Meter,
    pub(crate) reader: Reader,
    pub(crate) registry: Option<Registry>,
    pub(crate) renderer: Renderer,
    pub(crate) limits: Limits,
    pub(crate) self_metrics: Option<SelfMetrics>,
    pub(crate) start: SystemTime,
}

impl Exporter {
    /// Starts an exporter for the service of this name, which becomes the label `service` of every
    /// series.
    pub fn builder(service: impl Into<String>) -> ExporterBuilder {
        ExporterBuilder::new(service.into())
    }

    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            service,
            provider,
            meters,
            meter,
            reader,
            registry,
            renderer,
            limits,
            self_metrics,
            start,
        } = parts;
        let inner = Arc::new_cyclic(|inner| Inner {
            service,
            provider,
            meters,
            meter,
            reader,
            registry,
            scrape: Mutex::new(Scrape { metrics: None, renderer }),
            limits,
            sources: Sources::default(),
            self_metrics,
            start,
            desk: Desk::new(inner.clone()),
        });
        Self { inner }
    }

    /// The meter to create instruments with. A callback of its observable instruments that panics
    /// costs its own metric only.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.inner.meter.clone()
    }

    /// Meters for other scopes; the provider to give to libraries that ask for one.
    #[must_use]
    pub fn meters(&self) -> Meters {
        self.inner.meters.clone()
    }

    /// The SDK's provider behind [`meter`](Self::meter) and [`meters`](Self::meters): to flush or
    /// shut down. Its own meters work too, but a callback that panics there is the end of all
    /// metrics: every later scrape is a 503.
    ///
    /// Scopes are not told apart in the text: metrics of the same name and kind are one family, and
    /// of two metrics of the same name and different kind the one that was seen first is served.
    #[must_use]
    pub fn meter_provider(&self) -> &SdkMeterProvider {
        &self.inner.provider
    }

    /// The service that answers scrapes.
    #[must_use]
    pub fn scrape_service(&self) -> ScrapeService {
        ScrapeService::new(self.clone())
    }

    /// The current metrics in Prometheus text format 0.0.4.
    ///
    /// Asks the sources and collects when called, on the calling thread; concurrent calls take turns. Do not call it in
    /// the callback of an observable instrument: collecting runs the callbacks, and the call would
    /// wait for itself.
    ///
    /// # Errors
    ///
    /// When the provider is shut down, when a callback of one of the
    /// [SDK's own meters](Self::meter_provider) panicked in this call or an earlier one, and
    /// when nothing was collected: the exporter's own `uptime_seconds` is always there, so that no
    /// metrics means lost metrics.
    pub fn render(&self) -> Result<String, ScrapeError> {
        self.render_as(Format::Text)
    }

    /// The current metrics in this format; otherwise as [`render`](Self::render).
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub fn render_as(&self, format: Format) -> Result<String, ScrapeError> {
        let mut text = String::new();
        self.render_into(format, &mut text)?;
        Ok(text)
    }

    /// Replaces `text` by the current metrics in this format; otherwise as
    /// [`render_as`](Self::render_as).
    ///
    /// For who writes them again and again: new memory for a large text costs more than writing it.
    ///
    /// ```
    /// # use asdlc_exporter::{Exporter, Format};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let exporter = Exporter::builder("shop").build()?;
    /// let mut text = String::new();
    /// for _ in 0..2 {
    ///     exporter.render_into(Format::Text, &mut text)?;
    ///     assert!(text.starts_with("# HELP"));
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render); then `text` is empty.
    pub fn render_into(&self, format: Format, text: &mut String) -> Result<(), ScrapeError> {
        let query = Query { format, names: Vec::new() };
        let since = Instant::now();
        while let Some(round) = self.inner.ask_sources(since) {
            if self.inner.wait_for(&round, None, round.nudges()) && round.began >= since {
                break;
            }
        }
        let rendered = self.inner.render([&query], mem::take(text))?;
        let (_, rendered) = rendered.into_iter().next().ok_or(ScrapeErrorKind::Empty)?;
        *text = rendered.text;
        Ok(())
    }

    /// Asks this source for its values before each collection.
    ///
    /// Add each once: there is no way to take one out. The name is for the log and the
    /// self-metrics. A source that owns the exporter would keep it for ever; the instruments are
    /// enough.
    pub fn add_source(&self, name: impl Into<String>, source: impl Source) {
        self.inner.sources.add(name.into(), source);
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.inner.desk
    }

    pub(crate) fn limits(&self) -> Limits {
        self.inner.limits
    }

    pub(crate) fn self_metrics(&self) -> Option<&SelfMetrics> {
        self.inner.self_metrics.as_ref()
    }

    /// When it was built.
    pub(crate) fn start(&self) -> SystemTime {
        self.inner.start
    }
}

impl Inner {
    /// The round of the sources that scrapes wait for which came before `since`.
    pub(crate) fn ask_sources(&self, since: Instant) -> Option<Arc<Round>> {
        self.sources.round(since, self.limits.source_timeout)
    }

    /// Waits for the round, as [`Round::wait`] does.
    pub(crate) fn wait_for(&self, round: &Round, until: Option<Instant>, nudges: u64) -> bool {
        round.wait(until, nudges, |name, is_fresh| {
            if let Some(self_metrics) = &self.self_metrics {
                self_metrics.asked(name, is_fresh);
            }
        })
    }

    /// Collects once and writes each query; the first query for everything gets the memory of
    /// `spare`. Does not ask the sources.
    pub(crate) fn render<'q>(
        &self,
        queries: impl IntoIterator<Item = &'q Query>,
        mut spare: String,
    ) -> Result<Vec<(&'q Query, Rendered)>, ScrapeError> {
        let Self { reader, registry, self_metrics, .. } = self;
        let registered = registry.as_ref().map(gather_registry).unwrap_or_default();
        // Collectors and callbacks are foreign code: they run without our lock.
        let mut metrics = self.scrape().metrics.take().unwrap_or_default();
        reader.gather(&mut metrics)?;
        let (rendered, problems, dropped) = {
            let mut scrape = self.scrape();
            let renderer = &mut scrape.renderer;
            let collected = Collected { recorded: &metrics, registered: &registered };
            let render = |query: &'q Query| {
                let text =
                    if query.names.is_empty() { mem::take(&mut spare) } else { String::new() };
                Some((query, renderer.render(collected, query, text)?))
            };
            let rendered: Option<Vec<_>> = queries.into_iter().map(render).collect();
            let (problems, dropped) = (renderer.take_problems(), renderer.dropped());
            scrape.metrics = Some(metrics);
            (rendered, problems, dropped)
        };
        // A subscriber is foreign code: it runs without our lock.
        for problem in problems {
            let _ = survive(|| tracing::warn!("{problem}"));
        }
        let rendered = rendered.ok_or(ScrapeErrorKind::Empty)?;
        if let Some(self_metrics) = self_metrics {
            let whole = rendered.iter().find(|(query, _)| query.names.is_empty());
            self_metrics.collected(whole.map(|(_, rendered)| rendered), dropped);
        }
        Ok(rendered)
    }

    /// What a panic left behind is overwritten by the next scrape.
    fn scrape(&self) -> MutexGuard<'_, Scrape> {
        self.scrape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the registry has; nothing when one of its collectors panics.
fn gather_registry(registry: &Registry) -> Vec<MetricFamily> {
    survive(|| registry.gather()).unwrap_or_else(|| {
        let _ = survive(|| {
            tracing::warn!(
                "a collector of the registry panicked: its metrics are not in this scrape"
            );
        });
        Vec::new()
    })
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            in_flight: 128,
            source_timeout: Duration::from_secs(1),
        }
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("service", &self.inner.service).finish_non_exhaustive()
    }
}
