//! The settings of labels.

use crate::{
    exporter::reader_builder::PrometheusReaderBuilder, families::labels::scope_labels::ScopeLabels,
};

impl PrometheusReaderBuilder {
    /// Adds a label to every series, in the order of the calls. A label with an empty value is left out:
    /// in Prometheus, it is the same as no label.
    ///
    /// If an attribute has the same key, the attribute is served as `exported_<key>`.
    pub fn with_constant_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.constant_labels.push((key.into(), value.into()));
        self
    }

    /// Adds any number of labels to every series, for example an optional one.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let environment = std::env::var("ENVIRONMENT").ok();
    /// let prometheus = asdlc_exporter::PrometheusReader::builder()
    ///     .with_constant_labels(environment.map(|name| ("environment", name)))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn with_constant_labels<K: Into<String>, V: Into<String>>(
        self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        labels.into_iter().fold(self, |this, (key, value)| this.with_constant_label(key, value))
    }

    /// Which labels of the instrumentation scope each recorded series has: `otel_scope_name`,
    /// `otel_scope_version`, `otel_scope_schema_url` and `otel_scope_<key>`. Default:
    /// [`ScopeLabels::ALL`].
    ///
    /// ```
    /// use asdlc_exporter::{PrometheusReader, ScopeLabels};
    /// use opentelemetry::metrics::MeterProvider as _;
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let labels = ScopeLabels::ALL.without_version().without_schema_url();
    /// let prometheus = PrometheusReader::builder().with_scope_labels(labels).build()?;
    /// let provider = SdkMeterProvider::builder().with_reader(prometheus.clone()).build();
    /// provider.meter("payments").u64_counter("orders").build().add(1, &[]);
    /// assert!(prometheus.render()?.contains("orders_total{otel_scope_name=\"payments\"} 1\n"));
    /// # Ok(()) }
    /// ```
    pub fn with_scope_labels(mut self, labels: ScopeLabels) -> Self {
        self.scope_labels = labels;
        self
    }

    /// Adds attributes of the provider's resource as labels to every series, by their keys. Can be called
    /// several times. Default: none.
    ///
    /// ```
    /// use asdlc_exporter::{PrometheusReader, ScopeLabels};
    /// use opentelemetry::metrics::MeterProvider as _;
    /// use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let prometheus = PrometheusReader::builder()
    ///     .with_resource_labels(["service.name"])
    ///     .with_scope_labels(ScopeLabels::NONE)
    ///     .build()?;
    /// let resource = Resource::builder_empty().with_service_name("checkout").build();
    /// let provider = SdkMeterProvider::builder()
    ///     .with_resource(resource)
    ///     .with_reader(prometheus.clone())
    ///     .build();
    /// provider.meter("payments").u64_counter("orders").build().add(1, &[]);
    /// assert!(prometheus.render()?.contains("orders_total{service_name=\"checkout\"} 1\n"));
    /// # Ok(()) }
    /// ```
    ///
    /// They come after the constant labels, sorted by label. The rules are the same: an attribute of a
    /// measurement with such a label is served as `exported_<label>`, and an empty value is no label. If a
    /// constant label has the same key, the constant label is served, and the log has one warning. There is
    /// no label for an attribute that the resource does not have. The resource is read at the first scrape.
    ///
    /// `target_info` has these attributes too. Most users need no label of the resource: in queries,
    /// `* on (job, instance) group_left (service_name) target_info` adds it to the series of a target.
    pub fn with_resource_labels<K: Into<String>>(
        mut self,
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        self.resource.labels.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Does not serve `target_info`, the gauge with the value 1 that has the attributes of the resource as
    /// labels. In `OpenMetrics`, it is an info.
    ///
    /// By default, it is served if the resource has attributes. It has neither the namespace nor the labels
    /// of a scope. An attribute with the key of a constant label is served as `exported_<label>`, unless
    /// both have the same value. While it is served, a recorded metric with the name `target_info` is not.
    pub fn without_target_info(mut self) -> Self {
        self.resource.has_target_info = false;
        self
    }

    /// How many bytes a label value can have. Longer values are truncated. Default: 1024, which every
    /// scraper and backend accepts. Allowed: 64 to 4096.
    ///
    /// A truncated value ends in `...` and a hash of the whole value, so that values with the same
    /// beginning stay different series. For each family with truncated labels, the exporter logs
    /// one warning. `exporter_truncated_labels` of the [self-metrics](Self::with_self_metrics)
    /// counts the labels. Without this limit, one long value could make a scraper drop the whole
    /// target: vmagent rejects a large response that has a line of more than 256 KiB. For the same
    /// reason there are more limits:
    ///
    /// * label keys of more than 256 bytes are truncated in the same way;
    /// * a series has at most 64 labels in addition to the constant labels and those of its scope: in the
    ///   order of the label keys, all labels after the 64th are left out, and series that become equal
    ///   are merged. The same applies to the labels of a scope, and to the attributes of the resource.
    ///   `VictoriaMetrics` keeps only 30 labels of a series by default (`-maxLabelsPerTimeseries`);
    /// * if the label values of a series have more than 128 KiB together, each of them is truncated
    ///   to 1024 bytes; those of a scope to 192 bytes, if they have more than 24 KiB;
    /// * help texts are truncated to 1024 bytes;
    /// * a metric whose name has more than 1024 bytes is not served.
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    /// use opentelemetry::KeyValue;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder("shop").with_max_label_value_len(64).build()?;
    /// let jobs = exporter.meter().u64_counter("jobs").build();
    /// jobs.add(1, &[KeyValue::new("query", "x".repeat(1_000_000))]);
    /// let value = "x".repeat(45) + "...";
    /// assert!(exporter.render()?.contains(&format!(r#"jobs_total{{service="shop",query="{value}"#)));
    /// # Ok(()) }
    /// ```
    pub fn with_max_label_value_len(mut self, bytes: usize) -> Self {
        self.max_label_value_len = bytes;
        self
    }
}
