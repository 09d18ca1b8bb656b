//! The registries of other crates.

#[cfg(feature = "prometheus-client")]
use crate::PrometheusClientRegistry;
use crate::exporter::reader_builder::PrometheusReaderBuilder;

impl PrometheusReaderBuilder {
    /// Also serves the metrics of this registry, for code that uses the crate `prometheus`. Can be called
    /// several times, also for registries of other crates. Default: none.
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    /// use prometheus::{IntCounter, Registry};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let registry = Registry::new();
    /// let hits = IntCounter::new("cache_hits", "Hits in the cache.")?;
    /// registry.register(Box::new(hits.clone()))?;
    /// hits.inc();
    ///
    /// let exporter = Exporter::builder("shop").with_registry(registry).build()?;
    /// assert!(exporter.render()?.contains("cache_hits{service=\"shop\"} 1\n"));
    /// # Ok(()) }
    /// ```
    ///
    /// Names in the registry get neither the namespace nor a suffix. Constant labels, label keys,
    /// merging and conflicts follow the same rules as for recorded metrics. If metrics of one scrape
    /// conflict, a recorded one is served rather than a registered one, and one of an earlier call
    /// rather than one of a later call. Timestamps are left out. If one collector of the registry
    /// panics, the scrape has no metrics of this registry, and the log has a warning.
    #[cfg(feature = "prometheus")]
    pub fn with_registry(mut self, registry: prometheus::Registry) -> Self {
        self.registries.push(registry.into());
        self
    }

    /// Also serves the metrics of this registry, for code that uses the crate `prometheus-client`. Can be
    /// called several times, also for registries of other crates. Default: none.
    ///
    /// ```
    /// use asdlc_exporter::{
    ///     Exporter,
    ///     prometheus_client::{metrics::counter::Counter, registry::Registry},
    /// };
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut registry = Registry::default();
    /// let hits: Counter = Counter::default();
    /// registry.register("cache_hits", "Hits in the cache", hits.clone());
    /// hits.inc();
    ///
    /// let exporter = Exporter::builder("shop").with_prometheus_client_registry(registry).build()?;
    /// assert!(exporter.render()?.contains("cache_hits_total{service=\"shop\"} 1\n"));
    /// # Ok(()) }
    /// ```
    ///
    /// Pass a `Registry` or an `Arc<Registry>` if all metrics are registered before. Pass an
    /// `Arc<Mutex<Registry>>` or an `Arc<RwLock<Registry>>` if code registers metrics later: the lock
    /// is held while a scrape reads the registry. [`PrometheusClientRegistry`] has a way for other
    /// locks, and for other versions of the crate.
    ///
    /// Names get no namespace. They have the unit, `_total` and `_info` as the crate's own text has
    /// them. Integers keep all their digits. Everything else is as for [metrics of a
    /// `prometheus::Registry`](#method.with_registry); exemplars are left out too. There are some
    /// differences:
    ///
    /// * A metric of type `unknown` is `untyped` in text format 0.0.4. For points that become one
    ///   series, the greatest value is served.
    /// * If a line of the crate's text cannot be read, only its metric is not served, and the log has
    ///   one warning. An example is a metric whose name has a space.
    /// * If the crate cannot encode a metric, the scrape has no metrics of this registry, and the log
    ///   has a warning. An example is a native histogram without classic buckets, which is not
    ///   possible in text formats.
    ///
    /// # Cost
    ///
    /// The crate gives access to its metrics only as text. So a scrape encodes this text and reads it
    /// before it writes the exposition. With 1 000 histogram series of 10 boundaries and 1 000 counter
    /// series of 4 labels, the crate's encoder executes 24.5 million instructions, the reading 12.2
    /// million, and the writing 5.6 million. A scrape of the same series of OpenTelemetry instruments
    /// takes 13.0 million. The benchmark is `benches/prometheus_client.rs`. The text, and what was read
    /// from it, stay in memory during the scrape.
    #[cfg(feature = "prometheus-client")]
    pub fn with_prometheus_client_registry(
        mut self,
        registry: impl Into<PrometheusClientRegistry>,
    ) -> Self {
        let registry: PrometheusClientRegistry = registry.into();
        self.registries.push(registry.into());
        self
    }
}
