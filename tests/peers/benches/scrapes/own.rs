//! The SDK alone, which every exporter of OpenTelemetry has to ask, and asdlc-exporter.

use crate::{Subject, otel};
use asdlc_exporter::{Exporter, Format};

pub fn collect(series: usize) -> Subject {
    let mut collect = otel::collect(series);
    Subject::new("the SDK's collect alone", move |answer| {
        collect();
        answer(&[]);
    })
}

pub fn text(series: usize) -> Subject {
    of("asdlc-exporter", series, Format::Text)
}

pub fn open_metrics(series: usize) -> Subject {
    of("asdlc-exporter, OpenMetrics", series, Format::OpenMetrics)
}

fn of(name: &'static str, series: usize, format: Format) -> Subject {
    let exporter = Exporter::builder("bench").with_max_series(series + 1).build();
    let exporter = exporter.expect("the settings are valid");
    otel::record(&exporter.meter(), series);
    let mut text = String::new();
    Subject::new(name, move |answer| {
        exporter.render_into(format, &mut text).expect("text");
        answer(text.as_bytes());
    })
}
