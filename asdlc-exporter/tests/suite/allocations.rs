//! A scrape allocates as often for many series as for few.

use crate::sdk_alone::{SdkAlone, record};
use asdlc_exporter::{Exporter, Format};

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

/// Of the third time: buffers and caches have their size then.
fn later(mut run: impl FnMut()) -> i64 {
    run();
    run();
    allocation_counter::measure(run).count_total as i64
}
