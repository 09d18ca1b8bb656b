//! Names in UTF-8, and their escaped forms.

use crate::{
    arbitrary::{key_values, record, scope, text, value},
    check::{Sample, check_utf8},
    check_open::check_open,
    same_series::{Forms, assert_same_series},
};
use asdlc_exporter::{Exporter, Format, PrometheusReader, TranslationStrategy};
use http::Request;
use http_body_util::BodyExt as _;
use opentelemetry::{KeyValue, metrics::MeterProvider as _};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
use proptest::{collection::vec, prelude::*};
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The `Content-Type` and the text of a scrape.
async fn scrape(reader: &PrometheusReader, accept: &str) -> Result<(String, String)> {
    let request = Request::get("/metrics").header("accept", accept).body(())?;
    let response = reader.scrape_service().oneshot(request).await?;
    let content_type = response.headers()["content-type"].to_str()?.to_owned();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((content_type, String::from_utf8(body.into())?))
}

// X-14
#[tokio::test]
async fn a_scraper_gets_names_as_it_requests_them() -> Result {
    let reader = PrometheusReader::builder()
        .with_constant_label("zone", "z")
        .with_resource_labels(["host.name"])
        .with_translation_strategy(TranslationStrategy::NoUTF8EscapingWithSuffixes)
        .build()?;
    let resource = Resource::builder_empty().with_attributes([KeyValue::new("host.name", "h")]);
    let provider = SdkMeterProvider::builder()
        .with_resource(resource.build())
        .with_reader(reader.clone())
        .build();
    let meter = provider.meter("m");
    let requests = meter.u64_counter("http.requests").with_description("Requests.").build();
    requests.add(5, &[KeyValue::new("http.route", "/x"), KeyValue::new("a_b", "\"")]);
    meter.f64_histogram("wait").with_boundaries(vec![0.5]).build().record(1.0, &[]);

    let utf8 = [
        r#"# HELP "http.requests_total" Requests."#,
        r#"# TYPE "http.requests_total" counter"#,
        r#"{"http.requests_total",zone="z","host.name"="h",otel_scope_name="m",a_b="\"","http.route"="/x"} 5"#,
        "# HELP target_info Target metadata.",
        "# TYPE target_info gauge",
        r#"target_info{zone="z","host.name"="h"} 1"#,
        "# HELP wait ",
        "# TYPE wait histogram",
        r#"wait_bucket{zone="z","host.name"="h",otel_scope_name="m",le="0.5"} 0"#,
        r#"wait_bucket{zone="z","host.name"="h",otel_scope_name="m",le="+Inf"} 1"#,
        r#"wait_sum{zone="z","host.name"="h",otel_scope_name="m"} 1"#,
        r#"wait_count{zone="z","host.name"="h",otel_scope_name="m"} 1"#,
        "",
    ];
    let (content_type, text) =
        scrape(&reader, "text/plain;version=1.0.0;escaping=allow-utf-8").await?;
    assert_eq!(content_type, "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8");
    assert_eq!(text, utf8.join("\n"));
    assert_eq!(reader.render_as(Format::Utf8Text)?, text);

    for (accept, content_type, line) in [
        (
            "*/*",
            "text/plain; version=0.0.4; charset=utf-8",
            r#"http_requests_total{zone="z",host_name="h",otel_scope_name="m",a_b="\"",http_route="/x"} 5"#,
        ),
        (
            "text/plain;version=1.0.0;escaping=dots",
            "text/plain; version=1.0.0; charset=utf-8; escaping=dots",
            r#"http_dot_requests__total{zone="z",host_dot_name="h",otel__scope__name="m",a__b="\"",http_dot_route="/x"} 5"#,
        ),
        (
            "text/plain;version=0.0.4;escaping=values",
            "text/plain; version=0.0.4; charset=utf-8; escaping=values",
            r#"U__http_2e_requests__total{zone="z",U__host_2e_name="h",otel_scope_name="m",a_b="\"",U__http_2e_route="/x"} 5"#,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            r#"# TYPE "http.requests" counter"#,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=values",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values",
            "# TYPE U__http_2e_requests_ counter",
        ),
    ] {
        let (found, text) = scrape(&reader, accept).await?;
        assert_eq!(found, content_type);
        assert!(text.lines().any(|found| found == line), "{accept}: {text}");
    }
    Ok(())
}

// X-14
#[test]
fn two_names_with_one_escaped_form_are_both_served() -> Result {
    let exporter = Exporter::builder("shop")
        .with_translation_strategy(TranslationStrategy::NoTranslation)
        .build()?;
    let meter = exporter.meter();
    meter.u64_gauge("a.b").build().record(1, &[]);
    meter.u64_gauge("a_b").build().record(2, &[]);
    meter.f64_histogram("h.x").with_boundaries(vec![]).build().record(1.0, &[]);
    meter.u64_gauge("h_x_count").build().record(3, &[]);
    let labels = [KeyValue::new("k.x", 1), KeyValue::new("k_x", 2)];
    meter.u64_gauge("labels").build().record(4, &labels);
    meter
        .u64_gauge("labels")
        .build()
        .record(5, &[KeyValue::new("k.x", 2), KeyValue::new("k_x", 1)]);
    let text = exporter.render()?;
    check_utf8(&text);
    for line in [
        r#"U__a_2e_b{service="shop"} 1"#,
        r#"a_b{service="shop"} 2"#,
        r#"U__h_2e_x_count{service="shop"} 1"#,
        r#"h_x_count{service="shop"} 3"#,
        r#"labels{service="shop",U__k_2e_x="1",k_x="2"} 4"#,
        r#"labels{service="shop",U__k_2e_x="2",k_x="1"} 5"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let text = exporter.render_as(Format::Utf8Text)?;
    assert!(text.contains(r#"{"a.b",service="shop"} 1"#), "{text}");
    Ok(())
}

// X-14
#[tokio::test]
async fn name_selects_a_family_by_each_of_its_names() -> Result {
    let reader = PrometheusReader::builder()
        .with_translation_strategy(TranslationStrategy::NoTranslation)
        .build()?;
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    for name in ["a.b", "c"] {
        provider.meter("m").u64_gauge(name).build().record(1, &[]);
    }
    for (uri, expected) in [("/?name[]=a.b", "a_b"), ("/?name[]=a_b", "a_b"), ("/?name[]=c", "c")] {
        let response = reader.scrape_service().oneshot(Request::get(uri).body(())?).await?;
        let body = response.into_body().collect().await?.to_bytes();
        let names: Vec<_> =
            check_utf8(str::from_utf8(&body)?).into_iter().map(|sample| sample.name).collect();
        assert_eq!(names, [expected], "{uri}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    // X-14
    #[test]
    fn every_exposition_has_every_series_once(
        records in vec((record(), 0..2_usize), 1..12),
        units in vec(proptest::sample::select(["", "\"", "\\", "\n", "x.y", "."].as_slice()), 12),
        scopes in vec(scope(), 2),
        resource in vec((text(), value()), 0..6),
        label in text(),
        has_suffixes in any::<bool>(),
    ) {
        let strategy = match has_suffixes {
            true => TranslationStrategy::NoUTF8EscapingWithSuffixes,
            false => TranslationStrategy::NoTranslation,
        };
        let builder = || PrometheusReader::builder().with_translation_strategy(strategy);
        let is_label = builder().with_resource_labels([&label]).build().is_ok();
        let reader = builder().with_resource_labels(is_label.then_some(&label)).build()?;
        let resource = Resource::builder_empty().with_attributes(key_values(resource)).build();
        let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
        provider.meter("anchor").u64_gauge("an.chor").build().record(1, &[]);
        for ((mut record, at), unit) in records.into_iter().zip(units) {
            record.unit.push_str(unit);
            record.record(&provider.meter_with_scope(scopes[at].clone()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let scrape = |syntax: &str, escaping: &str| {
            let accept = format!("{syntax};escaping={escaping}");
            runtime.block_on(scrape(&reader, &accept)).map_err(|e| TestCaseError::fail(e.to_string()))
        };
        for (syntax, check) in [
            ("text/plain;version=1.0.0", check_utf8 as fn(&str) -> Vec<Sample>),
            ("application/openmetrics-text;version=1.0.0", check_open),
        ] {
            let (_, utf8) = scrape(syntax, "allow-utf-8")?;
            let samples = check(&utf8);
            for escaping in ["underscores", "dots", "values"] {
                let (content_type, text) = scrape(syntax, escaping)?;
                let parameter = format!("; escaping={escaping}");
                prop_assert!(content_type.ends_with(&parameter), "{}", content_type);
                let mut keys = Forms::default();
                keys.add("le", "le");
                let escaped = check(&text);
                assert_same_series([(&utf8, &samples), (&text, &escaped)], escaping, &mut keys);
            }
        }
        // The same form for everyone, whoever asked first.
        let (_, text) = scrape("text/plain;version=0.0.4", "allow-utf-8")?;
        prop_assert_eq!(&text, &scrape("text/plain;version=1.0.0", "underscores")?.1);
        prop_assert_eq!(text, reader.render()?);
    }
}
