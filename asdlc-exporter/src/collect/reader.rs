//! The connection to the SDK: collects on demand and says why when it cannot.

use crate::{
    error::{ScrapeError, ScrapeErrorKind},
    survive::survive,
};
use opentelemetry_prometheus::PrometheusExporter;
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    metrics::{InstrumentKind, Pipeline, Temporality, data::ResourceMetrics, reader::MetricReader},
};
use prometheus::Registry;
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The opentelemetry-prometheus reader, shared between the meter provider, which owns its readers,
/// and the exporter.
#[derive(Clone, Debug)]
pub(crate) struct Reader(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bridge: PrometheusExporter,
    is_shut_down: AtomicBool,
    has_panicked: AtomicBool,
}

impl Reader {
    /// A reader whose metrics `registry` gathers too.
    ///
    /// Scrapes do not go that way: its text repeats suffixes and passes on labels that Prometheus
    /// rejects.
    pub(crate) fn new(registry: Registry) -> Result<Self, OTelSdkError> {
        let bridge = opentelemetry_prometheus::exporter()
            .with_registry(registry)
            .without_target_info()
            .scope_info_enabled(false)
            .build()?;
        Ok(Self(Arc::new(Inner {
            bridge,
            is_shut_down: AtomicBool::new(false),
            has_panicked: AtomicBool::new(false),
        })))
    }

    /// Fills `metrics`; runs the callbacks of observable instruments on this thread.
    pub(crate) fn gather(&self, metrics: &mut ResourceMetrics) -> Result<(), ScrapeError> {
        let Inner { bridge, is_shut_down, has_panicked } = &*self.0;
        // A panic has poisoned the SDK's locks: nothing can be collected any more.
        if has_panicked.load(Ordering::Acquire) {
            return Err(ScrapeErrorKind::CallbackPanicked.into());
        }
        match survive(|| bridge.collect(metrics)) {
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
        self.0.bridge.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.bridge.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.bridge.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.is_shut_down.store(true, Ordering::Release);
        self.0.bridge.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.bridge.temporality(kind)
    }
}
