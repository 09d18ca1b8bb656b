//! How much memory a scrape takes in addition to the SDK's own collect. This test is a process of its own, because it counts
//! what all threads of the process allocate.
//!
//! The test has few series. At full size:
//!
//! ```sh
//! SERIES=100000 cargo test --release -p asdlc-exporter --all-features --test peak_memory -- --nocapture
//! ```

#[path = "suite/sdk_alone.rs"]
mod sdk_alone;

use asdlc_exporter::Exporter;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use peak_alloc::PeakAlloc;
use sdk_alone::{SdkAlone, record};
use std::{env, time::Duration};
use tokio::runtime::Builder;
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

// X-17
#[test]
fn a_scrape_takes_little_more_memory_than_collecting() -> Result {
    let wanted = env::var("SERIES").ok();
    let series = wanted.as_deref().map_or(Ok(10_000), str::parse)?;
    let limit = CONSTANT + BYTES_PER_SERIES * 2 * series;
    let runtime = Builder::new_current_thread().build()?;
    let mut too_much = Vec::new();
    for is_native in [false, true] {
        let of_sdk = peak_of_sdk(series, is_native);
        // The machine may be slow and busy.
        let mut builder =
            Exporter::builder("shop").with_max_series(series + 1).with_scrape_timeout(TIMEOUT);
        if is_native {
            builder = builder.with_native_histograms(["*_seconds"]);
        }
        let exporter = builder.build()?;
        record(&exporter.meter(), series);
        let recorded = MEMORY.current_usage();
        // The first scrape is among them. What it keeps counts for the later ones too.
        // Without optimization, compressing takes most of the time. It is the same for both kinds of histograms.
        let is_short = is_native && wanted.is_none();
        let scrapes = SCRAPES.into_iter().filter(|(_, encoding)| {
            *encoding == "identity" || (is_built_in(encoding) && !is_short)
        });
        for (format, encoding) in scrapes {
            MEMORY.reset_peak_usage();
            let length = runtime.block_on(scrape(&exporter, format, encoding))?;
            let peak = MEMORY.peak_usage().saturating_sub(recorded).saturating_sub(of_sdk);
            let histograms = if is_native { "native histograms" } else { "classic histograms" };
            let what = format!(
                "{histograms}, {format:.40}, {encoding}: {peak} bytes above the {of_sdk} of the SDK for {length}"
            );
            eprintln!("{what}");
            if peak > limit {
                too_much.push(what);
            }
        }
    }
    assert!(too_much.is_empty(), "more than {limit} bytes: {too_much:#?}");
    Ok(())
}

/// 16 MB for 2 × 100 000 series.
const BYTES_PER_SERIES: usize = 55;
/// The expositions up to 1 MiB that are sent in one piece, the chunks that a client has not read yet, and the memory that
/// compression needs.
const CONSTANT: usize = 5_000_000;

const TIMEOUT: Duration = Duration::from_secs(300);

/// The most memory that the SDK takes to collect, in bytes.
fn peak_of_sdk(series: usize, is_native: bool) -> usize {
    let mut sdk = SdkAlone::new(series, is_native);
    let recorded = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    sdk.collect();
    MEMORY.peak_usage() - recorded
}

fn is_built_in(encoding: &str) -> bool {
    let features = [("gzip", cfg!(feature = "gzip")), ("zstd", cfg!(feature = "zstd"))];
    features.iter().all(|(feature, is_on)| encoding != *feature || *is_on)
}

/// Reads the body to its end. Returns how long it was.
async fn scrape(exporter: &Exporter, format: &str, encoding: &str) -> Result<usize> {
    let request = Request::builder()
        .header(header::ACCEPT, format)
        .header(header::ACCEPT_ENCODING, encoding)
        .body(())?;
    let response = exporter.scrape_service().oneshot(request).await?;
    assert_eq!(response.status(), StatusCode::OK);
    let expected = (encoding != "identity").then_some(encoding.as_bytes());
    let encoded = response.headers().get(header::CONTENT_ENCODING);
    assert_eq!(encoded.map(HeaderValue::as_bytes), expected);
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame?.into_data().map_or(0, |data| data.len());
    }
    Ok(length)
}

/// Text 1.0.0 is written as 0.0.4 is.
const SCRAPES: [(&str, &str); 10] = [
    (TEXT, "identity"),
    (TEXT, "gzip"),
    (TEXT, "zstd"),
    ("text/plain;version=1.0.0;escaping=allow-utf-8", "identity"),
    (OPEN_METRICS, "identity"),
    (OPEN_METRICS, "gzip"),
    (OPEN_METRICS, "zstd"),
    (PROTOBUF, "identity"),
    (PROTOBUF, "gzip"),
    (PROTOBUF, "zstd"),
];
const TEXT: &str = "text/plain;version=0.0.4";
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";
const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
