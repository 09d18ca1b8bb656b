use opentelemetry::{
    InstrumentationScope,
    metrics::{Meter, MeterProvider},
};
use std::sync::Arc;

/// What an adapter takes its meter from: a [`Meter`], or any [`MeterProvider`].
///
/// ```
/// use asdlc_exporter::{Exporter, service_info};
/// use opentelemetry::metrics::MeterProvider;
/// use opentelemetry_sdk::metrics::SdkMeterProvider;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").build()?;
/// service_info::register_info(&exporter, "1.2.3");
/// service_info::register_info(&exporter.meter_provider(), "1.2.3");
/// service_info::register_info(&exporter.meter(), "1.2.3");
///
/// let provider = SdkMeterProvider::default();
/// service_info::register_info(&provider, "1.2.3");
/// service_info::register_info(&opentelemetry::global::meter_provider(), "1.2.3");
/// service_info::register_info(&provider.meter("shop"), "1.2.3");
/// # let dynamic: &dyn MeterProvider = &provider;
/// # service_info::register_info(dynamic, "1.2.3");
/// # let dynamic: &(dyn MeterProvider + Send + Sync) = &provider;
/// # service_info::register_info(dynamic, "1.2.3");
/// # let shared = std::sync::Arc::new(provider);
/// # service_info::register_info(&shared, "1.2.3");
/// # service_info::register_info(&*shared, "1.2.3");
/// # Ok(()) }
/// ```
///
/// From a provider, the adapter gets a meter whose [scope](InstrumentationScope) is this crate: its name,
/// its version, and the [schema](crate::SCHEMA_URL) of its metrics. So a backend can tell which crate
/// has recorded a metric. A meter is used as it is, with its own scope.
///
/// `Kind` is [`FromMeter`], [`FromProvider`] or [`FromSharedProvider`]. The compiler finds it. There is
/// no need to implement this trait: implement [`MeterProvider`].
pub trait MeterSource<Kind> {
    /// Returns the meter that the adapter creates its instruments with.
    fn to_meter(&self) -> Meter;
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
    fn to_meter(&self) -> Meter {
        self.clone()
    }
}

impl<P: MeterProvider + ?Sized> MeterSource<FromProvider> for P {
    fn to_meter(&self) -> Meter {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL);
        self.meter_with_scope(scope.build())
    }
}

impl<P: MeterProvider + ?Sized> MeterSource<FromSharedProvider> for Arc<P> {
    fn to_meter(&self) -> Meter {
        MeterSource::<FromProvider>::to_meter(&**self)
    }
}

/// The schema of the metrics of this crate: an
/// [OpenTelemetry schema file](https://opentelemetry.io/docs/specs/otel/schemas/file_format_v1.1.0/).
/// Meters that the crate [makes itself](MeterSource) have it as their schema URL.
pub const SCHEMA_URL: &str =
    "https://raw.githubusercontent.com/asdlc-metrics/asdlc-metrics/main/docs/schemas/0.1.0";
