//! A scrape allocates as often for many series as for few.

use crate::sdk_alone::{SdkAlone, record};
use asdlc_exporter::{Exporter, Format};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

//
#[test]
fn what_the_exporter_allocates_does_not_depend_on_the_number_of_series() -> Result {
    for is_native in [false, true] {
        let [few, many] = [allocations(200, is_native)?, allocations(2_000, is_native)?];
        assert_eq!(few.len(), many.len());
        for ((what, few), (_, many)) in few.iter().zip(&many) {
            let context = format!("{what}, native histograms: {is_native}");
            // A buffer may grow once more, because there are longer labels among more series.
            assert!(
                (many - few).abs() <= 2,
                "{few} allocations for 2 × 200 series, {many} for 2 × 2 000, {context}"
            );
            assert!(*few < 100, "{few} allocations, {context}");
        }
    }
    Ok(())
}

/// For each format the allocations of a later scrape, without those of the SDK.
fn allocations(series: usize, is_native: bool) -> Result<Vec<(String, i64)>> {
    let mut sdk = SdkAlone::new(series, is_native);
    let of_sdk = later(|| sdk.collect());
    assert!(of_sdk > series as i64, "the SDK allocates for each series: {of_sdk}");
    let mut builder = Exporter::builder("shop").with_max_series(series + 1).with_created_lines();
    if is_native {
        builder = builder.with_native_histograms(["*_seconds"]);
    }
    let exporter = builder.build()?;
    record(&exporter.meter(), series);
    let mut found = Vec::new();
    for format in [Format::Text, Format::Utf8Text, Format::OpenMetrics, Format::Utf8OpenMetrics] {
        let mut text = Vec::new();
        let all = later(|| exporter.render_into(format, &mut text).expect("text"));
        found.push((format!("{format:?}"), all - of_sdk));
    }
    let all = later(|| drop(exporter.render_protobuf().expect("protobuf")));
    found.push(("protobuf".to_owned(), all - of_sdk));
    Ok(found)
}

//
#[test]
fn a_scrape_with_exemplars_allocates_a_constant_number_of_times_more() -> Result {
    for is_native in [false, true] {
        let [few, many] = [more(200, is_native)?, more(2_000, is_native)?];
        for ((format, few), (_, many)) in few.iter().zip(&many) {
            let context = format!("{format}, native histograms: {is_native}");
            // A buffer may grow once more.
            assert!(
                (many - few).abs() <= 1,
                "{few} allocations more for 2 × 200 series with exemplars, {many} for 2 × 2 000, {context}"
            );
            assert!(*few <= 4, "{few} allocations, {context}");
        }
    }
    Ok(())
}

/// For each format, how often a scrape with exemplars allocates more than a scrape without.
fn more(series: usize, is_native: bool) -> Result<Vec<(&'static str, i64)>> {
    let exporter = || {
        let builder = Exporter::builder("shop").with_max_series(series + 1).with_exemplars();
        let patterns = if is_native { vec!["*_seconds"] } else { Vec::new() };
        builder.with_native_histograms(patterns).build()
    };
    let (with, without) = (exporter()?, exporter()?);
    {
        let ids = (TraceId::from(1), SpanId::from(1));
        let span = SpanContext::new(ids.0, ids.1, TraceFlags::SAMPLED, false, TraceState::NONE);
        let _guard = Context::new().with_remote_span_context(span).attach();
        record(&with.meter(), series);
    }
    record(&without.meter(), series);
    // Each series of the counter, and at least two buckets of each histogram.
    let text = with.render_as(Format::OpenMetrics)?;
    let exemplars = text.lines().filter(|line| line.contains(" # {trace_id=")).count();
    assert!(exemplars >= 3 * series, "{exemplars} exemplars");
    assert!(!without.render_as(Format::OpenMetrics)?.contains(" # {"), "outside of a span");
    let more = |render: &dyn Fn(&Exporter)| later(|| render(&with)) - later(|| render(&without));
    let open_metrics = more(&|exporter| drop(exporter.render_as(Format::OpenMetrics)));
    let protobuf = more(&|exporter| drop(exporter.render_protobuf()));
    Ok(vec![("OpenMetrics", open_metrics), ("protobuf", protobuf)])
}

/// Of the third time: buffers and caches have their size then.
fn later(mut run: impl FnMut()) -> i64 {
    run();
    run();
    allocation_counter::measure(run).count_total as i64
}
