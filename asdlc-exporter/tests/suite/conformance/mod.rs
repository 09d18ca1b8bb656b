//! The specification's rules for Prometheus exporters, as docs/conformance.md lists them. Each test names the rows it proves.

mod attributes;
mod exporter;
mod metadata;
mod points;
mod resource;
mod scope;

use crate::{check::Sample, check::check, check_open::check_open};
use asdlc_exporter::{Format, PrometheusReader, PrometheusReaderBuilder};
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{MeterProviderBuilder, SdkMeterProvider},
};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a reader serves.
struct Served {
    text: String,
    open_metrics: String,
    samples: Vec<Sample>,
}

impl Served {
    /// With the default settings, and without the labels of the scope, which is the same for all.
    fn new(record: impl FnOnce(&Meter)) -> Result<Self> {
        let provider = SdkMeterProvider::builder().with_resource(Resource::builder_empty().build());
        Self::of(provider, PrometheusReader::builder(), |provider| record(&provider.meter("test")))
            .map(|served| served.without("otel_scope_name=\"test\""))
    }

    fn of(
        provider: MeterProviderBuilder,
        reader: PrometheusReaderBuilder,
        record: impl FnOnce(&SdkMeterProvider),
    ) -> Result<Self> {
        let reader = reader.build()?;
        let provider = provider.with_reader(reader.clone()).build();
        record(&provider);
        let (text, open_metrics) = (reader.render()?, reader.render_as(Format::OpenMetrics)?);
        Ok(Self { samples: check(&text), text, open_metrics }).inspect(|served| {
            check_open(&served.open_metrics);
        })
    }

    fn without(self, label: &str) -> Self {
        let shorter = |text: &str| {
            text.replace(&format!("{{{label}}}"), "").replace(&format!("{label},"), "")
        };
        let text = shorter(&self.text);
        Self { samples: check(&text), text, open_metrics: shorter(&self.open_metrics) }
    }

    /// Whether the text has this line.
    fn has(&self, line: &str) -> bool {
        self.text.lines().any(|known| known == line)
    }

    /// Whether the text in `OpenMetrics` has this line.
    fn has_open(&self, line: &str) -> bool {
        self.open_metrics.lines().any(|known| known == line)
    }

    /// How many lines of the text begin so.
    fn count(&self, begin: &str) -> usize {
        self.text.lines().filter(|line| line.starts_with(begin)).count()
    }
}
