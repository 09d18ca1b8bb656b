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
    exposition::{
        chunks::Sink,
        render::{Collected, Query, Rendered, Renderer},
    },
    families::{
        catalogue::FamilyWarning,
        foreign::{ForeignRegistry, Gathered},
    },
    meter_source::MeterSource as _,
    stream::Window,
    unix_time::UnixTime,
};
use opentelemetry_sdk::{
    Resource,
    metrics::{SdkMeterProvider, data::ResourceMetrics},
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    time::{Duration, Instant},
};

pub(crate) struct Collector {
    reader: Reader,
    registries: Vec<ForeignRegistry>,
    sources: Sources,
    source_timeout: Duration,
    kept: Mutex<Kept>,
    /// What clients of streamed expositions have not read yet.
    window: Arc<Window>,
    own: Option<OwnMetrics>,
}

/// The self-metrics, with a meter provider of their own. So they never enter the provider of the user.
pub(crate) struct OwnMetrics {
    instruments: SelfMetrics,
    reader: Reader,
    /// The SDK shuts the provider down when its last clone is dropped.
    _provider: SdkMeterProvider,
}

/// What was collected at one time, ready to be written.
pub(crate) struct Snapshot<'c> {
    collector: &'c Collector,
    collected: Collected<'c>,
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
        Self {
            reader,
            registries,
            sources: Sources::default(),
            source_timeout,
            kept,
            window: Arc::default(),
            own,
        }
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

    /// Collects once, and calls `write` with what was collected. Does not refresh the sources.
    pub(crate) fn collect<T>(
        &self,
        write: impl FnOnce(&Snapshot<'_>) -> T,
    ) -> Result<T, ScrapeError> {
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
        let CollectedMemory { recorded, own } = &metrics;
        let own = self.own.as_ref().map(|_| own);
        let foreign = foreign.as_slice();
        let collected = Collected { recorded, own, foreign, now, time, is_complete };
        let written = write(&Snapshot { collector: self, collected });
        self.kept().metrics = Some(metrics);
        Ok(written)
    }

    /// What clients of streamed expositions have not read yet.
    pub(crate) fn window(&self) -> &Arc<Window> {
        &self.window
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
        match self.kept.try_lock() {
            Ok(kept) => kept,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                // A scrape may be writing while its clients read: it must not wait for them any more.
                let _waiting = self.window.render_waits();
                self.kept.lock().unwrap_or_else(PoisonError::into_inner)
            }
        }
    }
}

impl Snapshot<'_> {
    /// Writes the metrics of the query, see [`Renderer::render`]. Holds the lock also while the sink waits for
    /// clients.
    pub(crate) fn write(
        &self,
        query: &Query,
        memory: Vec<u8>,
        sink: Option<(&mut dyn Sink, usize)>,
    ) -> Result<Rendered, ScrapeError> {
        let Self { collector, collected } = *self;
        let (rendered, warnings, dropped) = {
            let mut kept = collector.kept();
            let renderer = &mut kept.renderer;
            let rendered = renderer.render(collected, query, memory, sink);
            (rendered, renderer.take_warnings(), renderer.dropped())
        };
        // A log subscriber is user code: it runs without our lock.
        for warning in warnings {
            if let (FamilyWarning::Overflow(metric), Some(self_metrics)) =
                (&warning, collector.self_metrics())
            {
                self_metrics.overflows(metric);
            }
            let _ = catch_panic(|| tracing::warn!("{warning}"));
        }
        let rendered = rendered.ok_or(ScrapeErrorKind::Empty)?;
        if let Some(self_metrics) = collector.self_metrics() {
            let is_whole = query.names.is_empty() && rendered.is_complete;
            self_metrics.rendered(is_whole.then_some(&rendered), dropped);
        }
        Ok(rendered)
    }
}
