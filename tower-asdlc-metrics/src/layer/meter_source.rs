use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{Meter, MeterProvider};
use std::sync::Arc;

/// What a layer takes its meter from: a [`Meter`], or any [`MeterProvider`].
///
/// ```
/// use opentelemetry::metrics::MeterProvider;
/// use opentelemetry_sdk::metrics::SdkMeterProvider;
/// use tower_asdlc_metrics::{BuildError, FixedEndpoint, HttpMetricsLayer};
///
/// # fn main() -> Result<(), BuildError> {
/// let builder = || HttpMetricsLayer::builder(FixedEndpoint("/upload"));
///
/// let provider = SdkMeterProvider::default();
/// let layer = builder().build(&provider)?;
/// let layer = builder().build(&opentelemetry::global::meter_provider())?;
/// let layer = builder().build(&provider.meter("shop"))?;
/// # let dynamic: &dyn MeterProvider = &provider;
/// # let layer = builder().build(dynamic)?;
/// # let dynamic: &(dyn MeterProvider + Send + Sync) = &provider;
/// # let layer = builder().build(dynamic)?;
/// # let shared = std::sync::Arc::new(provider);
/// # let layer = builder().build(&shared)?;
/// # let layer = builder().build(&*shared)?;
/// # Ok(()) }
/// ```
///
/// From a provider, the layer gets a meter whose [scope](InstrumentationScope) is this crate: its name, its version, and the
/// schema of its metrics. That is [`SCHEMA_URL`] for Prometheus' convention, and [`SEMANTIC_SCHEMA_URL`] for OpenTelemetry's
/// conventions. With [both](crate::Conventions::Both), the layer has two scopes. The scope tells a backend which crate has
/// recorded a metric: a Prometheus exporter can serve it as `otel_scope_name`, `otel_scope_version` and `otel_scope_schema_url`.
/// A meter is used as it is, with its own scope.
///
/// `Kind` is [`FromMeter`], [`FromProvider`] or [`FromSharedProvider`]. The compiler finds it. There is no need to implement
/// this trait: implement [`MeterProvider`].
pub trait MeterSource<Kind> {
    /// Returns the meter that the layer records into. `schema_url` is the schema of what it records.
    fn to_meter(&self, schema_url: &'static str) -> Meter;
}

/// The [`MeterSource`] is a [`Meter`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FromMeter;

/// The [`MeterSource`] is a [`MeterProvider`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FromProvider;

/// The [`MeterSource`] is a [`MeterProvider`] in an `Arc`, as `opentelemetry::global::meter_provider` returns it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FromSharedProvider;

impl MeterSource<FromMeter> for Meter {
    fn to_meter(&self, _: &'static str) -> Meter {
        self.clone()
    }
}

impl<P: MeterProvider + ?Sized> MeterSource<FromProvider> for P {
    fn to_meter(&self, schema_url: &'static str) -> Meter {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(schema_url);
        self.meter_with_scope(scope.build())
    }
}

impl<P: MeterProvider + ?Sized> MeterSource<FromSharedProvider> for Arc<P> {
    fn to_meter(&self, schema_url: &'static str) -> Meter {
        MeterSource::<FromProvider>::to_meter(&**self, schema_url)
    }
}

/// The schema of OpenTelemetry's semantic conventions, in the version that the layer follows.
pub const SEMANTIC_SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// The schema of the metrics of this crate in Prometheus' convention: an
/// [OpenTelemetry schema file](https://opentelemetry.io/docs/specs/otel/schemas/file_format_v1.1.0/). Meters that the crate
/// [makes itself](MeterSource) have it as their schema URL.
pub const SCHEMA_URL: &str =
    "https://raw.githubusercontent.com/asdlc-metrics/asdlc-metrics/main/docs/schemas/0.1.0";
