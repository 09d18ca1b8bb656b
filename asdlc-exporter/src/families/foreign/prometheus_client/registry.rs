use crate::families::foreign::{
    ForeignRegistry,
    prometheus_client::{family::Family, parser::Families},
};
use prometheus_client::{encoding::text, registry::Registry as ClientRegistry};
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A registry of the crate `prometheus-client`, in any of the ways in which programs keep it.
///
/// ```
/// use asdlc_exporter::{PrometheusClientRegistry, prometheus_client::registry::Registry};
/// use std::sync::{Arc, Mutex, RwLock};
///
/// // All metrics were registered before.
/// let _ = PrometheusClientRegistry::from(Registry::default());
/// let _ = PrometheusClientRegistry::from(Arc::new(Registry::default()));
/// // Metrics are registered later too.
/// let _ = PrometheusClientRegistry::from(Arc::new(Mutex::new(Registry::default())));
/// let _ = PrometheusClientRegistry::from(Arc::new(RwLock::new(Registry::default())));
/// ```
///
/// There is also a conversion from `&'static Registry`. For everything else, such as another lock or
/// another version of the crate, there is [`from_fn`](Self::from_fn).
#[derive(Clone)]
pub struct PrometheusClientRegistry {
    encode: Arc<dyn Fn(&mut String) -> fmt::Result + Send + Sync>,
}

/// A registry of an exporter.
#[derive(Debug)]
pub(crate) struct Registry {
    registry: PrometheusClientRegistry,
    /// The size of the last text. The next one has about the same size.
    size: AtomicUsize,
}

/// The text of a registry.
pub(crate) struct Gathered(String);

impl PrometheusClientRegistry {
    /// A registry that `encode` writes as `OpenMetrics` text, as the crate's
    /// [`encode`](prometheus_client::encoding::text::encode) and
    /// [`encode_registry`](prometheus_client::encoding::text::encode_registry) do. A line `# EOF` ends the
    /// text: what follows it is not read.
    ///
    /// `encode` runs at each scrape over HTTP, on a thread of the exporter outside of any runtime. It may
    /// block for a short time, for example for a lock. [`render`](crate::PrometheusReader::render) and the
    /// like run it on the calling thread, where functions such as `blocking_lock` panic in a runtime.
    ///
    /// ```
    /// use asdlc_exporter::{
    ///     Exporter, PrometheusClientRegistry,
    ///     prometheus_client::{encoding::text, registry::Registry},
    /// };
    /// use std::sync::Arc;
    ///
    /// # fn main() -> Result<(), asdlc_exporter::BuildError> {
    /// let registry = Arc::new(tokio::sync::Mutex::new(Registry::default()));
    /// let exporter = Exporter::builder("shop")
    ///     .with_prometheus_client_registry(PrometheusClientRegistry::from_fn(move |text| {
    ///         text::encode(text, &registry.blocking_lock())
    ///     }))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn from_fn(encode: impl Fn(&mut String) -> fmt::Result + Send + Sync + 'static) -> Self {
        Self { encode: Arc::new(encode) }
    }
}

impl From<ClientRegistry> for PrometheusClientRegistry {
    fn from(registry: ClientRegistry) -> Self {
        Self::from_fn(move |text| text::encode_registry(text, &registry))
    }
}

impl From<Arc<ClientRegistry>> for PrometheusClientRegistry {
    fn from(registry: Arc<ClientRegistry>) -> Self {
        Self::from_fn(move |text| text::encode_registry(text, &registry))
    }
}

impl From<&'static ClientRegistry> for PrometheusClientRegistry {
    fn from(registry: &'static ClientRegistry) -> Self {
        Self::from_fn(move |text| text::encode_registry(text, registry))
    }
}

/// Ignores that the lock is poisoned.
impl From<Arc<Mutex<ClientRegistry>>> for PrometheusClientRegistry {
    fn from(registry: Arc<Mutex<ClientRegistry>>) -> Self {
        Self::from_fn(move |text| {
            text::encode_registry(text, &registry.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
}

/// Ignores that the lock is poisoned.
impl From<Arc<RwLock<ClientRegistry>>> for PrometheusClientRegistry {
    fn from(registry: Arc<RwLock<ClientRegistry>>) -> Self {
        Self::from_fn(move |text| {
            text::encode_registry(text, &registry.read().unwrap_or_else(PoisonError::into_inner))
        })
    }
}

impl fmt::Debug for PrometheusClientRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusClientRegistry").finish_non_exhaustive()
    }
}

impl Registry {
    pub(crate) fn gather(&self) -> Result<Gathered, fmt::Error> {
        let size = self.size.load(Ordering::Relaxed);
        let mut text = String::with_capacity(size + size / 64);
        (self.registry.encode)(&mut text)?;
        self.size.store(text.len(), Ordering::Relaxed);
        Ok(Gathered(text))
    }
}

impl From<PrometheusClientRegistry> for ForeignRegistry {
    fn from(registry: PrometheusClientRegistry) -> Self {
        Registry { registry, size: AtomicUsize::new(0) }.into()
    }
}

impl Gathered {
    pub(crate) fn families(&self) -> impl Iterator<Item = Family<'_>> {
        // A family without series must not take a name.
        Families::of(&self.0).filter(|family| family.kind().is_err() || family.has_series())
    }
}
