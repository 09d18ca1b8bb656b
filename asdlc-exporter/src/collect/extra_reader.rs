//! Readers of somebody else beside ours.

use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{InstrumentKind, Pipeline, Temporality, data::ResourceMetrics, reader::MetricReader},
};
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A reader that clones of a builder share, and that one provider gets.
#[derive(Clone, Debug)]
pub(crate) struct ExtraReader(Arc<Shared<dyn MetricReader>>);

#[derive(Debug)]
struct Shared<R: ?Sized> {
    is_taken: AtomicBool,
    reader: R,
}

impl ExtraReader {
    pub(crate) fn new(reader: impl MetricReader) -> Self {
        Self(Arc::new(Shared { is_taken: AtomicBool::new(false), reader }))
    }

    /// Whether this is the first provider that asks for it: registered with a second one, a reader
    /// would silently forget the first.
    pub(crate) fn take(&self) -> bool {
        !self.0.is_taken.swap(true, Ordering::AcqRel)
    }
}

impl MetricReader for ExtraReader {
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
        self.0.reader.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.0.reader.shutdown()
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.reader.temporality(kind)
    }
}
