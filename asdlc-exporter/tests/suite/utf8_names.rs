//! Names in UTF-8, and their escaped forms.

use crate::{
    arbitrary::{key_values, record, scope, text, value},
    check::{Sample, check_utf8, is_name},
    open_metrics::check_open,
};
use asdlc_exporter::{Exporter, Format, PrometheusReader, TranslationStrategy};
use http::Request;
use http_body_util::BodyExt as _;
use opentelemetry::{KeyValue, metrics::MeterProvider as _};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
use proptest::{collection::vec, prelude::*};
use std::collections::HashMap;
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

/// What a server decodes. Written from the rules for the escaping scheme `values`, not from the code under
/// test.
fn decoded(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("U__")?;
    let mut out = String::new();
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '_' {
            out.push(c);
        } else if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
        } else {
            let (code, after) = rest.split_once('_')?;
            out.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
            rest = after;
        }
    }
    Some(out)
}

/// Remembers which escaped form each name has.
#[derive(Default)]
struct Forms {
    escaped: HashMap<String, String>,
    names: HashMap<String, String>,
}

impl Forms {
    /// Each name must have one form, and each form must be that of one name.
    fn add(&mut self, name: &str, form: &str) {
        let known = self.escaped.entry(name.to_owned()).or_insert_with(|| form.to_owned());
        assert_eq!(known, form, "{name:?} has two forms");
        let known = self.names.entry(form.to_owned()).or_insert_with(|| name.to_owned());
        assert_eq!(known, name, "{form:?} is the form of two names");
    }
}

/// Checks that the two expositions have the same series, in the same order.
fn assert_same_series([utf8, escaped]: [(&str, &[Sample]); 2], escaping: &str, keys: &mut Forms) {
    let names = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("# HELP "));
        lines.map(|rest| crate::check::name(rest, ":").1).collect()
    };
    let (all, forms) = (names(utf8.0), names(escaped.0));
    assert_eq!(all.len(), forms.len(), "{}\n{}", utf8.0, escaped.0);
    let mut families = Forms::default();
    for (name, form) in all.iter().zip(&forms) {
        families.add(name, form);
        if escaping == "values" {
            // In OpenMetrics, this is the name without its last suffix.
            let is_decoded = [form.clone(), format!("{form}_total"), format!("{form}_info")]
                .iter()
                .filter_map(|form| decoded(form))
                .any(|decoded| decoded.strip_prefix(name.as_str()).is_some());
            assert!(form == name || is_decoded, "{name:?} as {form:?}");
        }
    }
    assert_eq!(utf8.1.len(), escaped.1.len());
    for (a, b) in utf8.1.iter().zip(escaped.1) {
        assert!(a.value == b.value || a.value.is_nan() && b.value.is_nan(), "{a:?} as {b:?}");
        assert!(is_name(&b.name, ":"), "{b:?}");
        assert_eq!(a.labels.len(), b.labels.len(), "{a:?} as {b:?}");
        for ((key, value), (form, other)) in a.labels.iter().zip(&b.labels) {
            assert_eq!(value, other, "{a:?} as {b:?}");
            assert!(is_name(form, ""), "{form:?}");
            keys.add(key, form);
            if escaping == "values" {
                assert!(form == key || decoded(form).as_ref() == Some(key), "{key:?} as {form:?}");
            }
        }
    }
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
