//! The SDK alone, which every exporter of OpenTelemetry has to ask, and asdlc-exporter.

use crate::{Subject, otel};
use asdlc_exporter::{Exporter, Format};

pub fn collect(series: usize) -> Subject {
    let mut collect = otel::collect(series);
    Subject::new("the SDK's collect alone", move || {
        collect();
        Vec::new()
    })
}

pub fn text(series: usize) -> Subject {
    of("asdlc-exporter", series, Format::Text)
}

pub fn open_metrics(series: usize) -> Subject {
    of("asdlc-exporter, OpenMetrics", series, Format::OpenMetrics)
}

fn of(name: &'static str, series: usize, format: Format) -> Subject {
    let exporter = Exporter::builder("bench").with_cardinality_limit(series + 1).build();
    let exporter = exporter.expect("the settings are valid");
    otel::record(&exporter.meter(), series);
    Subject::new(name, move || exporter.render_as(format).expect("text").into_bytes())
}
