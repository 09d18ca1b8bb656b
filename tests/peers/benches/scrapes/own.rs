//! The SDK alone, which every exporter of OpenTelemetry has to ask, and asdlc-exporter.

use crate::{Content, Subject, otel};
use asdlc_exporter::{Exporter, ExporterBuilder, Format};

pub fn collect(series: usize) -> Subject {
    collected(otel::collect(series, otel::limit(series)))
}

pub fn collect_native(series: usize) -> Subject {
    collected(otel::collect(series, otel::native(series)))
}

fn collected(mut collect: impl FnMut() + 'static) -> Subject {
    Subject::new("the SDK's collect alone", Content::Nothing, move |answer| {
        collect();
        answer(&[]);
    })
}

pub fn text(series: usize) -> Subject {
    of("asdlc-exporter", Exporter::builder("bench"), series, Format::Text)
}

pub fn open_metrics(series: usize) -> Subject {
    of("asdlc-exporter, OpenMetrics", Exporter::builder("bench"), series, Format::OpenMetrics)
}

/// Writes the same bytes as the others, which have no label `service`.
pub fn text_of_others(series: usize) -> Subject {
    let builder = Exporter::builder("bench").without_service_label();
    of("asdlc-exporter, without `service`", builder, series, Format::Text)
}

/// Writes the same bytes as the others, which have no label `service`.
pub fn open_metrics_of_others(series: usize) -> Subject {
    let builder = Exporter::builder("bench").without_service_label();
    of("asdlc-exporter, without `service`, OpenMetrics", builder, series, Format::OpenMetrics)
}

fn of(name: &'static str, builder: ExporterBuilder, series: usize, format: Format) -> Subject {
    let exporter = exporter(builder, series);
    let mut text = Vec::new();
    Subject::new(name, Content::Text, move |answer| {
        exporter.render_into(format, &mut text).expect("text");
        answer(&text);
    })
}

/// It returns new memory each time.
pub fn protobuf(series: usize) -> Subject {
    let exporter = exporter(Exporter::builder("bench"), series);
    Subject::new("asdlc-exporter", Content::Protobuf, move |answer| {
        answer(&exporter.render_protobuf().expect("protobuf"));
    })
}

/// With classic buckets too.
pub fn native(series: usize) -> Subject {
    let builder = Exporter::builder("bench").with_native_histograms(["*_duration_seconds"]);
    let exporter = exporter(builder, series);
    Subject::new("asdlc-exporter, with classic buckets", Content::NativeProtobuf, move |answer| {
        answer(&exporter.render_protobuf().expect("protobuf"));
    })
}

fn exporter(builder: ExporterBuilder, series: usize) -> Exporter {
    let exporter = builder.with_max_series(series + 1).build().expect("the settings are valid");
    otel::record(&exporter.meter(), series);
    exporter
}
