//! Format, encoding and filter, as the client requests them.

use crate::check::check;
use asdlc_exporter::Exporter;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use std::time::{SystemTime, UNIX_EPOCH};
use tower::ServiceExt as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";

fn exporter() -> Result<Exporter> {
    let exporter = Exporter::builder("shop").build()?;
    exporter.meter().u64_counter("orders").build().add(1, &[]);
    exporter.meter().u64_gauge("level").build().record(2, &[]);
    Ok(exporter)
}

async fn get(
    exporter: &Exporter,
    uri: &str,
    headers: &[(&str, &str)],
) -> Result<(HeaderMap, Vec<u8>)> {
    let mut request = Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = exporter.scrape_service().oneshot(request.body(())?).await?;
    let (head, body) = response.into_parts();
    assert_eq!(head.status, StatusCode::OK);
    Ok((head.headers, body.collect().await?.to_bytes().into()))
}

// O-01, D-01, X-04
#[tokio::test]
async fn the_format_is_the_one_that_the_client_prefers() -> Result {
    let exporter = exporter()?;
    for (accept, content_type, line) in [
        ("*/*", TEXT, "# TYPE orders_total counter\n"),
        ("application/json", TEXT, "# TYPE orders_total counter\n"),
        ("application/openmetrics-text;version=1.0.0", OPEN_METRICS, "# TYPE orders counter\n"),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.2", OPEN_METRICS, "# EOF\n"),
    ] {
        let (headers, body) = get(&exporter, "/", &[("accept", accept)]).await?;
        assert_eq!(headers["content-type"], content_type, "{accept}");
        assert!(String::from_utf8(body)?.contains(line), "{accept}");
    }
    Ok(())
}

//
#[tokio::test]
async fn the_response_repeats_nothing_of_the_request() -> Result {
    let accept = "application/openmetrics-text;version=1.0.0;escaping=spam;charset=spam";
    let headers = [("accept", accept), ("accept-encoding", "spam"), ("x-spam", "spam")];
    let (headers, body) = get(&exporter()?, "/spam?name[]=spam&spam", &headers).await?;
    assert!(!format!("{headers:?}").contains("spam"), "{headers:?}");
    assert_eq!(String::from_utf8(body)?, "# EOF\n");
    Ok(())
}

//
#[cfg(all(feature = "gzip", feature = "zstd"))]
#[tokio::test]
async fn gzip_and_zstd_decompress_to_the_text() -> Result {
    use std::io::Read as _;
    let exporter = exporter()?;
    let meter = exporter.meter();
    let counter = meter.u64_counter("many").build();
    for at in 0..1_000 {
        counter.add(1, &[opentelemetry::KeyValue::new("at", at)]);
    }
    // Two texts would have different uptimes.
    let uri = "/?name[]=many_total";
    let (plain_headers, plain) = get(&exporter, uri, &[]).await?;
    assert!(!plain_headers.contains_key("content-encoding"));
    for name in ["gzip", "zstd"] {
        let (headers, body) = get(&exporter, uri, &[("accept-encoding", name)]).await?;
        assert_eq!(headers["content-encoding"], name);
        assert_eq!(headers["content-type"], TEXT);
        assert_eq!(headers["content-length"], body.len().to_string());
        assert_eq!(headers["vary"], "accept, accept-encoding");
        assert!(body.len() * 5 < plain.len(), "{} of {}", body.len(), plain.len());
        let mut unpacked = Vec::new();
        match name {
            "gzip" => {
                flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut unpacked)?;
            }
            _ => unpacked = zstd::decode_all(&body[..])?,
        }
        assert!(unpacked == plain, "{name}");
    }
    Ok(())
}

//
#[tokio::test]
async fn name_selects_whole_families() -> Result {
    let exporter = exporter()?;
    exporter.meter().f64_histogram("wait").with_boundaries(vec![1.0]).build().record(0.5, &[]);
    let text =
        async |uri| -> Result<String> { Ok(String::from_utf8(get(&exporter, uri, &[]).await?.1)?) };
    let names = |text: &str| check(text).into_iter().map(|s| s.name).collect::<Vec<_>>();
    assert_eq!(names(&text("/?name[]=level").await?), ["level"]);
    assert_eq!(
        names(&text("/?name%5B%5D=orders_total&name[]=level").await?),
        ["level", "orders_total"]
    );
    assert_eq!(names(&text("/?name[]=wait&name[]=none").await?).len(), 4);
    assert_eq!(text("/?name[]=wait_sum").await?, "# There are no such metrics.\n");
    assert!(names(&text("/?name=level").await?).len() > 2);
    // The next scrape without a filter has all families.
    assert_eq!(
        names(&text("/").await?),
        [
            "level",
            "orders_total",
            "uptime_seconds",
            "wait_bucket",
            "wait_bucket",
            "wait_sum",
            "wait_count"
        ]
    );
    Ok(())
}

//
#[tokio::test]
async fn head_is_get_without_the_body_in_every_form() -> Result {
    let exporter = exporter()?;
    for (accept, encoding) in
        [("*/*", "identity"), ("application/openmetrics-text", "gzip"), ("*/*", "zstd")]
    {
        let send = async |method| -> Result<_> {
            let request = Request::builder()
                .method(method)
                .uri("/?name[]=level")
                .header("accept", accept)
                .header("accept-encoding", encoding);
            let response = exporter.scrape_service().oneshot(request.body(())?).await?;
            let (head, body) = response.into_parts();
            Ok((head.status, head.headers, body.collect().await?.to_bytes().len()))
        };
        let (status, headers, length) = send(Method::GET).await?;
        assert_eq!(headers["content-length"], length.to_string());
        assert_eq!(send(Method::HEAD).await?, (status, headers, 0));
    }
    Ok(())
}

//
#[tokio::test]
async fn each_response_has_the_process_start_time() -> Result {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs());
    let before = now()?;
    let exporter = exporter()?;
    let after = now()?;
    let (headers, _) = get(&exporter, "/", &[]).await?;
    let start: u64 = headers["process-start-time-unix"].to_str()?.parse()?;
    assert!((before..=after).contains(&start));
    Ok(())
}
