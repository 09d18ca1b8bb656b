//! The connection to the SDK: collects on demand and says why when it cannot.

use crate::{
    error::{ScrapeError, ScrapeErrorKind},
    survive::survive,
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

/// The SDK's reader for collections on demand, shared between the meter provider, which owns its
/// readers, and the exporter. Its temporality is cumulative, as Prometheus needs it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reader: ManualReader,
    is_shut_down: AtomicBool,
    has_panicked: AtomicBool,
}

impl Reader {
    /// Fills `metrics`; runs the callbacks of observable instruments on this thread.
    pub(crate) fn gather(&self, metrics: &mut ResourceMetrics) -> Result<(), ScrapeError> {
        let Inner { reader, is_shut_down, has_panicked } = &*self.0;
        // A panic has poisoned the SDK's locks: nothing can be collected any more.
        if has_panicked.load(Ordering::Acquire) {
            return Err(ScrapeErrorKind::CallbackPanicked.into());
        }
        match survive(|| reader.collect(metrics)) {
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
        self.0.reader.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.reader.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.reader.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.is_shut_down.store(true, Ordering::Release);
        self.0.reader.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.reader.temporality(kind)
    }
}
