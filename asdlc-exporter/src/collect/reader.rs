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
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
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
    is_registered: AtomicBool,
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
        let ReaderState { sdk, is_disabled: _, is_registered, is_shut_down, has_panicked } =
            &*self.0;
        if !is_registered.load(Ordering::Acquire) {
            return Err(ScrapeErrorKind::NoProvider.into());
        }
        // An unguarded callback panicked and poisoned the SDK's locks: nothing can be collected any more.
        if has_panicked.load(Ordering::Acquire) {
            return Err(ScrapeErrorKind::CallbackPanicked.into());
        }
        match catch_panic(|| sdk.collect(metrics)) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) if is_shut_down.load(Ordering::Acquire) => {
                Err(ScrapeErrorKind::ShutDown.into())
            }
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
        if self.0.is_registered.swap(true, Ordering::AcqRel) {
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

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.is_shut_down.store(true, Ordering::Release);
        self.0.sdk.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.sdk.temporality(kind)
    }
}
