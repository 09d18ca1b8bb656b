use crate::{
    error::{BuildError, BuildErrorKind, ScrapeError, ScrapeErrorKind},
    labels::ConstantLabels,
    name::is_label_key,
    reader::Reader,
    render::Renderer,
    scrape::ScrapeService,
    service_info,
};
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::{
    Resource,
    metrics::{SdkMeterProvider, data::ResourceMetrics},
};
use prometheus::Registry;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// A meter provider and the Prometheus text of what its meters record.
///
/// ```
/// use asdlc_exporter::Exporter;
/// use opentelemetry::KeyValue;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").with_namespace("asdlc").build()?;
/// let orders = exporter.meter().u64_counter("orders").with_description("Orders taken.").build();
/// orders.add(1, &[KeyValue::new("paid", true)]);
///
/// let text = exporter.render()?;
/// assert!(text.contains("# HELP asdlc_orders_total Orders taken.\n# TYPE asdlc_orders_total counter\n"));
/// assert!(text.contains(r#"asdlc_orders_total{service="shop",paid="true"} 1"#));
/// # Ok(()) }
/// ```
///
/// Clones are cheap and share everything; nothing is global. The provider lives as long as the last
/// clone, a [`ScrapeService`] included.
#[derive(Clone)]
pub struct Exporter {
    inner: Arc<Inner>,
}

struct Inner {
    service: String,
    provider: SdkMeterProvider,
    meter: Meter,
    reader: Reader,
    scrape: Mutex<Scrape>,
}

/// What one scrape leaves for the next.
struct Scrape {
    metrics: ResourceMetrics,
    renderer: Renderer,
}

impl Exporter {
    /// Starts an exporter for the service of this name, which becomes the label `service` of every
    /// series.
    pub fn builder(service: impl Into<String>) -> ExporterBuilder {
        ExporterBuilder {
            service: service.into(),
            namespace: None,
            constant_labels: Vec::new(),
            version: None,
        }
    }

    /// The meter to create instruments with.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.inner.meter.clone()
    }

    /// The provider behind [`meter`](Self::meter): to create meters for other scopes, or to shut
    /// down.
    ///
    /// Scopes are not told apart in the text: metrics of the same name and kind are one family, and
    /// of two metrics of the same name and different kind the one that was seen first is served.
    #[must_use]
    pub fn meter_provider(&self) -> &SdkMeterProvider {
        &self.inner.provider
    }

    /// The service that answers scrapes.
    #[must_use]
    pub fn scrape_service(&self) -> ScrapeService {
        ScrapeService::new(self.clone())
    }

    /// The current metrics in Prometheus text format 0.0.4.
    ///
    /// Collects when called, on the calling thread; concurrent calls take turns. Do not call it in
    /// the callback of an observable instrument: collecting runs the callbacks, and the call would
    /// wait for itself.
    ///
    /// # Errors
    ///
    /// When the provider is shut down, when a callback panicked in this call or an earlier one, and
    /// when nothing was collected: the exporter's own `uptime_seconds` is always there, so that no
    /// metrics means lost metrics.
    pub fn render(&self) -> Result<String, ScrapeError> {
        let Inner { reader, scrape, .. } = &*self.inner;
        let (text, conflicts) = {
            // What a panic left behind is replaced or overwritten by the next scrape.
            let mut scrape = scrape.lock().unwrap_or_else(PoisonError::into_inner);
            let Scrape { metrics, renderer } = &mut *scrape;
            reader.gather(metrics)?;
            (renderer.render(metrics), renderer.take_conflicts())
        };
        // A subscriber is foreign code: it runs without our lock.
        for conflict in conflicts {
            tracing::warn!("{conflict}");
        }
        text.ok_or_else(|| ScrapeErrorKind::Empty.into())
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("service", &self.inner.service).finish_non_exhaustive()
    }
}

/// Settings of an [`Exporter`].
///
/// ```
/// use asdlc_exporter::Exporter;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop")
///     .with_namespace("asdlc")
///     .with_constant_label("environment", "production")
///     .with_version("1.2.3")
///     .build()?;
/// assert!(
///     exporter.render()?.contains(
///         r#"asdlc_service_info{service="shop",environment="production",version="1.2.3"} 1"#
///     )
/// );
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an exporter exists once it is built"]
pub struct ExporterBuilder {
    service: String,
    namespace: Option<String>,
    constant_labels: Vec<(String, String)>,
    version: Option<String>,
}

impl ExporterBuilder {
    /// Puts `namespace` and `_` before every metric name. Default: none.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Adds a label to every series, behind `service` and in the order of the calls.
    ///
    /// An attribute that is recorded with the same key is served as `exported_<key>`.
    pub fn with_constant_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.constant_labels.push((key.into(), value.into()));
        self
    }

    /// Serves `service_info{version}` = 1. Without a version there is no such metric.
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Builds the exporter; `uptime_seconds` counts from here.
    ///
    /// # Errors
    ///
    /// When the service name is empty, when the namespace or the key of a constant label is not
    /// made of ASCII letters, digits and `_` or begins with a digit or `__`, and when a key is
    /// reserved (`service`, `le`, `quantile`) or given twice.
    pub fn build(self) -> Result<Exporter, BuildError> {
        let Self { service, namespace, constant_labels, version } = self;
        if service.is_empty() {
            return Err(BuildErrorKind::EmptyService.into());
        }
        let prefix = metric_prefix(namespace)?;
        let constant = constant_label_set(&service, constant_labels)?;
        let reader = Reader::new(Registry::new()).map_err(BuildErrorKind::Reader)?;
        let provider = SdkMeterProvider::builder()
            .with_resource(resource(&service, version.as_deref()))
            .with_reader(reader.clone())
            .build();
        let meter = provider.meter(env!("CARGO_PKG_NAME"));
        service_info::register(&meter, version, Instant::now());
        let scrape = Scrape {
            metrics: ResourceMetrics::default(),
            renderer: Renderer::new(prefix, constant),
        };
        Ok(Exporter {
            inner: Arc::new(Inner { service, provider, meter, reader, scrape: Mutex::new(scrape) }),
        })
    }
}

/// Nothing, or the namespace with one `_` at its end.
fn metric_prefix(namespace: Option<String>) -> Result<String, BuildError> {
    let Some(mut namespace) = namespace else { return Ok(String::new()) };
    if !is_label_key(&namespace) {
        return Err(BuildErrorKind::Namespace(namespace).into());
    }
    if !namespace.ends_with('_') {
        namespace.push('_');
    }
    Ok(namespace)
}

fn constant_label_set(
    service: &str,
    configured: Vec<(String, String)>,
) -> Result<ConstantLabels, BuildError> {
    let mut labels = vec![("service".to_owned(), service.to_owned())];
    for (key, value) in configured {
        if !is_label_key(&key) {
            return Err(BuildErrorKind::LabelKey(key).into());
        }
        if ["service", "le", "quantile"].contains(&key.as_str()) {
            return Err(BuildErrorKind::ReservedLabelKey(key).into());
        }
        if labels.iter().any(|(known, _)| *known == key) {
            return Err(BuildErrorKind::DuplicateLabelKey(key).into());
        }
        labels.push((key, value));
    }
    Ok(ConstantLabels::new(labels))
}

/// For readers other than ours: a second one may push the same metrics elsewhere.
fn resource(service: &str, version: Option<&str>) -> Resource {
    let version = version.map(|version| KeyValue::new("service.version", version.to_owned()));
    Resource::builder_empty().with_service_name(service.to_owned()).with_attributes(version).build()
}
