//! What a scrape uses: sources, reader, registries, renderer and self-metrics.
//!
//! A `PrometheusReader` and its scrape services share one collector. A collector does not use the meter
//! provider, only a reader. So it also serves a provider that this crate did not build.

use crate::{
    catch_panic::catch_panic,
    collect::{
        reader::Reader, self_metrics::SelfMetrics, source::Source, source_run::SourceRun,
        sources::Sources,
    },
    error::{ScrapeError, ScrapeErrorKind},
    exposition::render::{Collected, Query, Rendered, Renderer},
    families::{
        catalogue::FamilyWarning,
        foreign::{ForeignRegistry, Gathered},
        model::UnixTime,
    },
    meter_source::MeterSource as _,
};
use opentelemetry_sdk::{
    Resource,
    metrics::{SdkMeterProvider, data::ResourceMetrics},
};
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub(crate) struct Collector {
    reader: Reader,
    registries: Vec<ForeignRegistry>,
    sources: Sources,
    source_timeout: Duration,
    kept: Mutex<Kept>,
    own: Option<OwnMetrics>,
}

/// The self-metrics, with a meter provider of their own. So they never enter the provider of the user.
pub(crate) struct OwnMetrics {
    instruments: SelfMetrics,
    reader: Reader,
    /// The SDK shuts the provider down when its last clone is dropped.
    _provider: SdkMeterProvider,
}

/// What one scrape keeps for the next.
struct Kept {
    /// Memory to collect into. `None` while a scrape collects.
    metrics: Option<CollectedMemory>,
    renderer: Renderer,
}

#[derive(Default)]
struct CollectedMemory {
    recorded: ResourceMetrics,
    own: ResourceMetrics,
}

impl OwnMetrics {
    /// `callback_panics` returns how many callbacks have panicked so far.
    pub(crate) fn new(callback_panics: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let reader = Reader::default();
        // The SDK's default resource would read the environment.
        let provider = SdkMeterProvider::builder()
            .with_resource(Resource::builder_empty().build())
            .with_reader(reader.clone())
            .build();
        let instruments = SelfMetrics::new(&provider.to_meter(), callback_panics);
        Self { instruments, reader, _provider: provider }
    }
}

impl Collector {
    pub(crate) fn new(
        reader: Reader,
        registries: Vec<ForeignRegistry>,
        renderer: Renderer,
        source_timeout: Duration,
        own: Option<OwnMetrics>,
    ) -> Self {
        let kept = Mutex::new(Kept { metrics: None, renderer });
        Self { reader, registries, sources: Sources::default(), source_timeout, kept, own }
    }

    pub(crate) fn add_source(&self, name: String, source: impl Source) {
        self.sources.add(name, source);
    }

    pub(crate) fn self_metrics(&self) -> Option<&SelfMetrics> {
        self.own.as_ref().map(|own| &own.instruments)
    }

    /// Checks that metrics may be collected at all. Neither sources nor callbacks may run before this.
    pub(crate) fn check_enabled(&self) -> Result<(), ScrapeError> {
        if self.reader.is_disabled() { Err(ScrapeErrorKind::Disabled.into()) } else { Ok(()) }
    }

    /// Runs all sources and waits until they have ended or are late.
    pub(crate) fn refresh_sources(&self) {
        let since = Instant::now();
        while let Some(run) = self.source_run(since) {
            if self.wait_for(&run, None, run.wakeups()) && run.began >= since {
                return;
            }
        }
    }

    /// See [`Sources::run`].
    pub(crate) fn source_run(&self, since: Instant) -> Option<Arc<SourceRun>> {
        self.sources.run(since, self.source_timeout)
    }

    /// Like [`SourceRun::wait`]. Records the outcomes of the sources in the self-metrics.
    pub(crate) fn wait_for(&self, run: &SourceRun, until: Option<Instant>, wakeups: u64) -> bool {
        run.wait(until, wakeups, |source, is_fresh| {
            if let Some(self_metrics) = self.self_metrics() {
                self_metrics.source_ended(source, is_fresh);
            }
        })
    }

    /// Collects once and writes the text of each query. The first query without a filter is written into
    /// the memory of `spare`. Does not refresh the sources.
    pub(crate) fn render<'q>(
        &self,
        queries: impl IntoIterator<Item = &'q Query>,
        mut spare: Vec<u8>,
    ) -> Result<Vec<(&'q Query, Rendered)>, ScrapeError> {
        // Read before the collection: what is recorded while it runs may not be in it.
        let (now, time) = (Instant::now(), UnixTime::now());
        let gathered = self.gather_registries();
        let is_complete = gathered.len() == self.registries.len();
        let mut foreign = Vec::new();
        gathered.iter().for_each(|gathered| gathered.families(&mut foreign));
        // The registries' collectors and the callbacks are user code: they run without our lock.
        let mut metrics = self.kept().metrics.take().unwrap_or_default();
        self.reader.gather(&mut metrics.recorded)?;
        if let Some(own) = &self.own {
            own.reader.gather(&mut metrics.own)?;
        }
        let (rendered, warnings, dropped) = {
            let mut kept = self.kept();
            let renderer = &mut kept.renderer;
            let CollectedMemory { recorded, own } = &metrics;
            let own = self.own.as_ref().map(|_| own);
            let foreign = foreign.as_slice();
            let collected = Collected { recorded, own, foreign, now, time, is_complete };
            let render = |query: &'q Query| {
                let text = if query.names.is_empty() { mem::take(&mut spare) } else { Vec::new() };
                Some((query, renderer.render(collected, query, text, None)?))
            };
            let rendered: Option<Vec<_>> = queries.into_iter().map(render).collect();
            let (warnings, dropped) = (renderer.take_warnings(), renderer.dropped());
            kept.metrics = Some(metrics);
            (rendered, warnings, dropped)
        };
        // A log subscriber is user code: it runs without our lock.
        for warning in warnings {
            if let (FamilyWarning::Overflow(metric), Some(self_metrics)) =
                (&warning, self.self_metrics())
            {
                self_metrics.overflows(metric);
            }
            let _ = catch_panic(|| tracing::warn!("{warning}"));
        }
        let rendered = rendered.ok_or(ScrapeErrorKind::Empty)?;
        if let Some(self_metrics) = self.self_metrics() {
            let whole = rendered.iter().find(|(query, _)| query.names.is_empty());
            self_metrics.rendered(whole.map(|(_, rendered)| rendered), dropped);
        }
        Ok(rendered)
    }

    /// What the registries return. If a registry fails or panics, the scrape has no metrics of it.
    fn gather_registries(&self) -> Vec<Gathered> {
        let gather = |(at, registry): (usize, &ForeignRegistry)| {
            let gathered = catch_panic(|| registry.gather());
            if let Some(Ok(gathered)) = gathered {
                return Some(gathered);
            }
            let what =
                if gathered.is_none() { "a collector panicked" } else { "its encoder failed" };
            // A log subscriber is user code.
            let _ = catch_panic(|| {
                tracing::warn!("registry {}: {what}. The scrape has no metrics of it", at + 1);
            });
            None
        };
        self.registries.iter().enumerate().filter_map(gather).collect()
    }

    /// Ignores a poisoned lock: the next scrape overwrites what a panic left incomplete.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
