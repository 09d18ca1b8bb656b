//! "Metrics Exporter - Prometheus": formats, timestamps, temporality, content negotiation.

use super::{Result, Served};
use asdlc_exporter::{PrometheusReader, PrometheusReaderBuilder, TranslationStrategy};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{
    InstrumentKind, SdkMeterProvider, Temporality, reader::MetricReader as _,
};
use tower::ServiceExt as _;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT_1_0_0: &str = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores";
const OPEN_METRICS: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
const OPEN_METRICS_UTF_8: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8";

/// The `Content-Type` and the text of a scrape with this `Accept`.
async fn scrape(accept: Option<&str>) -> Result<(String, String)> {
    scrape_of(PrometheusReader::builder(), accept).await
}

async fn scrape_of(
    reader: PrometheusReaderBuilder,
    accept: Option<&str>,
) -> Result<(String, String)> {
    let reader = reader.build()?;
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    provider.meter("test").u64_counter("foo.bar").with_unit("By").build().add(1, &[]);
    let mut request = Request::get("/metrics");
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    let response = reader.scrape_service().oneshot(request.body(())?).await?;
    assert_eq!(response.status(), StatusCode::OK);
    let content_type = response.headers()["content-type"].to_str()?.to_owned();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((content_type, String::from_utf8(body.into())?))
}

// C-60, C-63, C-87
#[tokio::test]
async fn a_request_without_accept_gets_text_0_0_4_with_underscores() -> Result {
    let (content_type, text) = scrape(None).await?;
    assert_eq!(content_type, TEXT);
    assert!(text.contains("\nfoo_bar_bytes_total{"), "{text}");
    Ok(())
}

// C-64, C-81, C-82, C-83, C-84, C-85
#[tokio::test]
async fn the_supported_format_with_the_greatest_weight_is_served() -> Result {
    for (accept, expected) in [
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2",
            OPEN_METRICS_UTF_8,
        ),
        ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.5", TEXT),
        ("text/plain;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4", TEXT_1_0_0),
        // Formats that are not supported.
        (
            "application/openmetrics-protobuf;version=1.0.0;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5",
            OPEN_METRICS,
        ),
        (
            "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=2.0.0;escaping=dots;q=0.4",
            TEXT,
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
            TEXT,
        ),
    ] {
        let (content_type, text) = scrape(Some(accept)).await?;
        assert_eq!(content_type, expected, "{accept}");
        // Under each escaping that may be requested, the name consists of the classic characters.
        assert!(text.contains("\nfoo_bar_bytes_total{"), "{text}");
    }
    Ok(())
}

// C-86
#[tokio::test]
async fn nothing_of_accept_is_repeated() -> Result {
    let accept = "application/openmetrics-text;version=1.0.0;escaping=spam;charset=spam;q=1";
    let (content_type, text) = scrape(Some(accept)).await?;
    assert_eq!(content_type, OPEN_METRICS);
    assert!(!text.contains("spam"), "{text}");
    Ok(())
}

// C-65
#[test]
fn no_sample_has_a_timestamp() -> Result {
    let served = Served::new(|meter| {
        meter.u64_counter("orders").build().add(1, &[]);
        meter.f64_histogram("wait").with_boundaries(vec![1.0]).build().record(1.0, &[]);
    })?;
    for line in served.text.lines().chain(served.open_metrics.lines()) {
        if !line.starts_with('#') {
            let (_, after) =
                line.rsplit_once('}').unwrap_or(("", line.split_once(' ').unwrap_or_default().1));
            assert_eq!(after.split_whitespace().count(), 1, "{line}");
        }
    }
    Ok(())
}

// C-66
#[test]
fn the_temporality_is_cumulative_for_all_kinds() -> Result {
    let reader = PrometheusReader::builder().build()?;
    for kind in [
        InstrumentKind::Counter,
        InstrumentKind::UpDownCounter,
        InstrumentKind::Histogram,
        InstrumentKind::Gauge,
        InstrumentKind::ObservableCounter,
        InstrumentKind::ObservableUpDownCounter,
        InstrumentKind::ObservableGauge,
    ] {
        assert_eq!(reader.temporality(kind), Temporality::Cumulative, "{kind:?}");
    }
    Ok(())
}

// C-76, C-77, C-78, C-88, C-89. The table of "Interaction with Translation Strategy", and two more columns.
#[tokio::test]
async fn a_translation_strategy_comes_first_and_the_requested_escaping_second() -> Result {
    use TranslationStrategy::{
        NoTranslation, NoUTF8EscapingWithSuffixes, UnderscoreEscapingWithSuffixes,
        UnderscoreEscapingWithoutSuffixes,
    };
    assert_eq!(TranslationStrategy::default(), UnderscoreEscapingWithSuffixes);
    for (strategy, underscores, utf8, dots, values) in [
        (
            UnderscoreEscapingWithSuffixes,
            "foo_bar_bytes_total",
            "foo_bar_bytes_total",
            "foo__bar__bytes__total",
            "foo_bar_bytes_total",
        ),
        (UnderscoreEscapingWithoutSuffixes, "foo_bar", "foo_bar", "foo__bar", "foo_bar"),
        (
            NoUTF8EscapingWithSuffixes,
            "foo_bar_bytes_total",
            "foo.bar_bytes_total",
            "foo_dot_bar__bytes__total",
            "U__foo_2e_bar__bytes__total",
        ),
        (NoTranslation, "foo_bar", "foo.bar", "foo_dot_bar", "U__foo_2e_bar"),
    ] {
        for (escaping, expected) in [
            ("", underscores),
            (";escaping=underscores", underscores),
            (";escaping=allow-utf-8", utf8),
            (";escaping=dots", dots),
            (";escaping=values", values),
        ] {
            for syntax in ["application/openmetrics-text;version=1.0.0", "text/plain;version=1.0.0"]
            {
                let accept = format!("{syntax}{escaping};q=0.5,text/plain;version=0.0.4;q=0.4");
                let reader = PrometheusReader::builder().with_translation_strategy(strategy);
                let (content_type, text) = scrape_of(reader, Some(&accept)).await?;
                let named = if escaping.is_empty() { ";escaping=underscores" } else { escaping };
                assert!(content_type.ends_with(&named.replace(';', "; ")), "{content_type}");
                let is_classic = !expected.contains('.');
                let sample = if is_classic {
                    format!("\n{expected}{{")
                } else {
                    format!("\n{{\"{expected}\",")
                };
                assert!(text.contains(&sample), "{strategy:?} {accept:?}: {text}");
            }
        }
        let reader = PrometheusReader::builder().with_translation_strategy(strategy);
        let (_, text) = scrape_of(reader, None).await?;
        assert!(text.contains(&format!("\n{underscores}{{")), "{strategy:?}: {text}");
    }
    Ok(())
}
