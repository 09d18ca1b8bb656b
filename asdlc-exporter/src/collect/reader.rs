//! Makes the SDK collect, and says why a collection failed.

use crate::{
    catch_panic::catch_panic,
    error::{ScrapeError, ScrapeErrorKind},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        InstrumentKind, ManualReader, Pipeline, Temporality, data::ResourceMetrics,
        reader::MetricReader,
    },
};
use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The SDK's reader for collections on demand. Clones are the same reader: the meter provider owns one and
/// the collector another. The temporality is cumulative, as Prometheus needs it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader(Arc<ReaderState>);

#[derive(Debug, Default)]
struct ReaderState {
    sdk: ManualReader,
    is_disabled: AtomicBool,
    /// Of the first provider that the reader was added to.
    pipeline: OnceLock<Weak<Pipeline>>,
    /// How many more providers the reader was added to, and has not been shut down by.
    others: AtomicUsize,
    is_shut_down: AtomicBool,
    has_panicked: AtomicBool,
}

impl Reader {
    /// From now on, nothing is collected.
    pub(crate) fn disable(&self) {
        self.0.is_disabled.store(true, Ordering::Release);
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.0.is_disabled.load(Ordering::Acquire)
    }

    /// Fills `metrics`. Runs the callbacks of observable instruments on this thread.
    ///
    /// Panics of guarded callbacks do not reach this function: `exporter::meters` catches them.
    pub(crate) fn gather(&self, metrics: &mut ResourceMetrics) -> Result<(), ScrapeError> {
        let ReaderState { sdk, is_disabled: _, pipeline, others: _, is_shut_down, has_panicked } =
            &*self.0;
        let Some(pipeline) = pipeline.get() else {
            return Err(ScrapeErrorKind::NoProvider.into());
        };
        let is_ended = || is_shut_down.load(Ordering::Acquire) || pipeline.strong_count() == 0;
        // Checked before, because a collection may begin before a shutdown that waits for the SDK's lock.
        if is_ended() {
            return Err(ScrapeErrorKind::ShutDown.into());
        }
        // An unguarded callback panicked and poisoned the SDK's locks: nothing can be collected any more.
        if has_panicked.load(Ordering::Acquire) {
            return Err(ScrapeErrorKind::CallbackPanicked.into());
        }
        match catch_panic(|| sdk.collect(metrics)) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) if is_ended() => Err(ScrapeErrorKind::ShutDown.into()),
            Some(Err(error)) => Err(ScrapeErrorKind::Collect(error).into()),
            None => {
                has_panicked.store(true, Ordering::Release);
                *metrics = ResourceMetrics::default();
                Err(ScrapeErrorKind::CallbackPanicked.into())
            }
        }
    }
}

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        if self.0.pipeline.set(Weak::clone(&pipeline)).is_err() {
            self.0.others.fetch_add(1, Ordering::AcqRel);
            tracing::warn!(
                "a PrometheusReader was added to a second meter provider: it does not serve the metrics of that provider"
            );
            return;
        }
        self.0.sdk.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.sdk.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.sdk.force_flush()
    }

    /// A provider does not say which one it is. So if there are several, the last one shuts the reader down,
    /// and the end of another one does not hide the metrics of the first.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let without_one = |others: usize| others.checked_sub(1);
        if self.0.others.fetch_update(Ordering::AcqRel, Ordering::Acquire, without_one).is_ok() {
            return Ok(());
        }
        self.0.is_shut_down.store(true, Ordering::Release);
        self.0.sdk.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.sdk.temporality(kind)
    }
}
