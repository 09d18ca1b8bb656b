//! Expositions that are too large for one piece.

use crate::{check::check, gate::Gate, queue::block_on};
use asdlc_exporter::{Exporter, Format, PrometheusReader, ScrapeBody, ScrapeFuture};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
    thread,
    time::{Duration, Instant},
};
use tower::Service as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const MEBIBYTE: usize = 1 << 20;
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";
const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// A provider with this many series, whose values do not change. Each has 920 to 1000 bytes.
pub(crate) fn large(series: usize) -> Result<(PrometheusReader, SdkMeterProvider)> {
    let reader = PrometheusReader::builder().without_target_info().build()?;
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    fill(&provider.meter("large"), series);
    Ok((reader, provider))
}

fn fill(meter: &Meter, series: usize) {
    let fill = "x".repeat(900);
    for at in 0..series {
        let gauge = meter.u64_gauge(format!("large_{}", at / 1000)).build();
        gauge.record(at as u64, &[KeyValue::new("at", format!("{at:05} {fill}"))]);
    }
}

pub(crate) fn scrape(service: &PrometheusReader, headers: &[(&str, &str)]) -> ScrapeFuture {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.scrape_service().call(request.body(()).expect("a request"))
}

fn get(reader: &PrometheusReader, headers: &[(&str, &str)]) -> Response<ScrapeBody> {
    let Ok(response) = block_on(scrape(reader, headers));
    response
}

/// A scrape that has been polled and waits.
fn waiting(reader: &PrometheusReader, headers: &[(&str, &str)]) -> ScrapeFuture {
    let mut future = scrape(reader, headers);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
    future
}

fn chunk(body: &mut ScrapeBody) -> Option<std::result::Result<Bytes, String>> {
    let frame = block_on(body.frame())?;
    let chunk = frame.map(|frame| frame.into_data().expect("data"));
    Some(chunk.map_err(|error| error.to_string()))
}

/// Reads a body to its end.
fn read(mut body: ScrapeBody) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = chunk(&mut body) {
        bytes.extend_from_slice(&chunk?);
    }
    assert!(body.is_end_stream());
    Ok(bytes)
}

fn decoded(headers: &HeaderMap, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let encoding = headers.get("content-encoding").map(|value| value.to_str()).transpose()?;
    Ok(match encoding {
        None => bytes,
        #[cfg(feature = "gzip")]
        Some("gzip") => {
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*bytes), &mut text)?;
            text
        }
        #[cfg(feature = "zstd")]
        Some("zstd") => zstd::stream::decode_all(&*bytes)?,
        other => panic!("{other:?}"),
    })
}

/// The encodings of this build.
fn encodings() -> Vec<&'static str> {
    let all =
        [("identity", true), ("gzip", cfg!(feature = "gzip")), ("zstd", cfg!(feature = "zstd"))];
    all.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect()
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

//
#[test]
fn other_tasks_of_the_thread_run_after_each_chunk() -> Result {
    let (reader, _provider) = large(8_000)?;
    let mut body = get(&reader, &[]).into_body();
    for number in 0..20 {
        assert!(chunk(&mut body).is_some_and(|chunk| chunk.is_ok()), "chunk {number}");
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let poll = Pin::new(&mut body).poll_frame(&mut Context::from_waker(&waker));
        assert!(poll.is_pending(), "chunk {number}");
        assert_eq!(woken.0.load(Ordering::SeqCst), 1, "chunk {number}");
    }
    Ok(())
}

/// A reader whose exposition in this format has exactly this length.
fn of_length(format: Format, length: usize) -> Result<(PrometheusReader, SdkMeterProvider)> {
    let of_series = large(1000)?.0.render_as(format)?.len().div_ceil(1000);
    let (reader, provider) = large((length - 4000) / of_series)?;
    let meter = provider.meter("pad");
    // Several help texts: none may be longer than a limit of the exporter.
    for pad in 0.. {
        let name = format!("pad_{pad}");
        let series = format!("{name}{{otel_scope_name=\"pad\"}} 1");
        let line =
            |help: &str| format!("# HELP {name} {help}\n# TYPE {name} gauge\n{series}\n").len();
        let missing = length - reader.render_as(format)?.len();
        let next = if missing > 800 { 500 } else { missing };
        let help = "x".repeat(next - line(""));
        meter.u64_gauge(name).with_description(help).build().record(1, &[]);
        if next == missing {
            break;
        }
    }
    assert_eq!(reader.render_as(format)?.len(), length);
    Ok((reader, provider))
}

//
#[test]
fn a_body_is_the_exposition_in_every_format_and_encoding_and_at_the_limit() -> Result {
    for (format, accept) in [(Format::Text, "text/plain"), (Format::OpenMetrics, OPEN_METRICS)] {
        for length in [MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 3 * MEBIBYTE] {
            let (reader, _provider) = of_length(format, length)?;
            for encoding in encodings() {
                let case = format!("{format:?} {encoding} {length}");
                let headers = [("accept", accept), ("accept-encoding", encoding)];
                let response = get(&reader, &headers);
                assert_eq!(response.status(), StatusCode::OK, "{case}");
                let (head, body) = response.into_parts();
                let known =
                    head.headers.get("content-length").map(|len| len.to_str().map(str::parse));
                let known: Option<u64> = known.transpose()?.transpose()?;
                let hint = body.size_hint();
                assert_eq!(known, hint.exact(), "{case}");
                assert_eq!(known.is_some(), length <= MEBIBYTE, "{case}");
                let bytes = read(body)?;
                assert!(known.is_none_or(|known| known == bytes.len() as u64), "{case}");
                let text = decoded(&head.headers, bytes)?;
                assert!(text == reader.render_as(format)?.into_bytes(), "{case}");
            }
        }
    }
    Ok(())
}

//
#[test]
fn a_large_exposition_is_streamed_in_protobuf() -> Result {
    // One family is larger than a chunk.
    let (reader, _provider) = large(3_000)?;
    for encoding in encodings() {
        let headers = [("accept", PROTOBUF), ("accept-encoding", encoding)];
        let (head, body) = get(&reader, &headers).into_parts();
        assert_eq!(head.headers.get("content-length"), None, "{encoding}");
        assert!(decoded(&head.headers, read(body)?)? == reader.render_protobuf()?, "{encoding}");
    }
    Ok(())
}

//
#[test]
fn clients_of_one_batch_share_a_collection_whatever_their_format_encoding_and_speed() -> Result {
    let (reader, provider) = large(6_000)?;
    let gate = Gate::in_callback(&provider.meter("gate"));
    let first = waiting(&reader, &[]);
    gate.wait_until_entered(1);
    let mut cases = Vec::new();
    for encoding in encodings() {
        for (format, accept) in [(Format::Text, "text/plain"), (Format::OpenMetrics, OPEN_METRICS)]
        {
            for pause in [0, 2] {
                let headers = [("accept", accept), ("accept-encoding", encoding)];
                cases.push((waiting(&reader, &headers), format, pause));
            }
        }
    }
    gate.open();
    drop(first);
    let threads: Vec<_> = cases
        .into_iter()
        .map(|(future, format, pause)| {
            thread::spawn(move || {
                let Ok(response) = block_on(future);
                let (head, mut body) = response.into_parts();
                let mut bytes = Vec::new();
                while let Some(chunk) = chunk(&mut body) {
                    bytes.extend_from_slice(&chunk.expect("a chunk"));
                    // A slower client, not a wait for something.
                    thread::sleep(Duration::from_millis(pause));
                }
                (format, decoded(&head.headers, bytes).expect("text"))
            })
        })
        .collect();
    for thread in threads {
        let (format, text) = thread.join().expect("a response");
        assert!(text == reader.render_as(format)?.into_bytes(), "{format:?}");
    }
    Ok(())
}

//
#[test]
fn a_client_that_never_reads_stops_another_for_about_a_second_and_gets_an_error() -> Result {
    let (reader, _provider) = large(12_000)?;
    let mut frozen = get(&reader, &[]).into_body();
    let begin = Instant::now();
    let text = read(get(&reader, &[]).into_body())?;
    assert!(text == reader.render()?.into_bytes());
    // Generous: a debug build on a busy machine. Without giving up, it would be the timeout of 10 seconds, and a 503.
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    let not_read = "the client did not read the response in time".to_owned();
    assert_eq!(chunk(&mut frozen), Some(Err(not_read)));
    assert_eq!(chunk(&mut frozen), None);
    Ok(())
}

/// Scrapes until there is a place in the queue.
fn scrape_when_possible(reader: &PrometheusReader) -> Response<ScrapeBody> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let response = get(reader, &[]);
        if response.status() == StatusCode::OK {
            return response;
        }
        assert!(Instant::now() < deadline, "the scrape before has never ended");
        thread::sleep(Duration::from_millis(5));
    }
}

//
#[test]
fn a_stream_is_in_flight_until_it_ends_and_ends_at_its_deadline() -> Result {
    let reader =
        PrometheusReader::builder().with_max_scrapes_in_flight(1).without_target_info().build()?;
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    fill(&provider.meter("large"), 12_000);
    // Long enough to begin in a debug build on a busy machine.
    let timeout = ("x-prometheus-scrape-timeout-seconds", "2.5");
    let response = get(&reader, &[timeout]);
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(get(&reader, &[]).status(), StatusCode::SERVICE_UNAVAILABLE);
    let mut frozen = response.into_body();
    let mut gone = scrape_when_possible(&reader).into_body();
    assert!(chunk(&mut frozen).is_some_and(|chunk| chunk.is_err()));
    assert!(chunk(&mut gone).is_some_and(|chunk| chunk.is_ok()));
    assert_eq!(get(&reader, &[]).status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(gone);
    let complete = get(&reader, &[]);
    assert_eq!(complete.status(), StatusCode::OK, "dropping the body ends the scrape");
    assert!(read(complete.into_body())? == reader.render()?.into_bytes());
    assert_eq!(get(&reader, &[]).status(), StatusCode::OK);
    Ok(())
}

//
#[test]
fn a_stream_ends_after_its_exporter_was_dropped() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    fill(&exporter.meter(), 12_000);
    let Ok(response) = block_on(exporter.scrape_service().call(Request::new(())));
    drop(exporter);
    let text = String::from_utf8(read(response.into_body())?)?;
    assert!(check(&text).len() >= 12_000);
    Ok(())
}

//
#[test]
fn render_does_not_wait_for_a_client_that_does_not_read() -> Result {
    let (reader, _provider) = large(12_000)?;
    let slow = get(&reader, &[]).into_body();
    // On the thread that should read. It would be the timeout of 10 seconds, and the response would fail.
    let text = reader.render()?;
    assert!(read(slow)? == text.into_bytes());
    Ok(())
}

//
#[test]
fn head_of_a_large_exposition_has_no_length() -> Result {
    let (reader, _provider) = large(12_000)?;
    for version in [Version::HTTP_10, Version::HTTP_11] {
        let request = Request::builder().method(Method::HEAD).version(version).body(())?;
        let Ok(response) = block_on(reader.scrape_service().call(request));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().get("content-length"), None);
        assert_eq!(response.body().size_hint().exact(), None);
        assert!(response.body().is_end_stream());
        assert_eq!(read(response.into_body()), Ok(Vec::new()));
    }
    Ok(())
}

//
#[test]
fn a_client_with_http_1_0_gets_the_length_first() -> Result {
    let (reader, _provider) = large(6_000)?;
    for encoding in encodings() {
        let request = Request::builder().version(Version::HTTP_10);
        let request = request.header("accept-encoding", encoding).body(())?;
        let Ok(response) = block_on(reader.scrape_service().call(request));
        let (head, body) = response.into_parts();
        let length: u64 = head.headers["content-length"].to_str()?.parse()?;
        assert_eq!(body.size_hint().exact(), Some(length), "{encoding}");
        let bytes = read(body)?;
        assert_eq!(bytes.len() as u64, length, "{encoding}");
        assert!(decoded(&head.headers, bytes)? == reader.render()?.into_bytes(), "{encoding}");
    }
    Ok(())
}

//
#[test]
fn a_stream_is_counted_when_it_ends_with_the_bytes_that_were_read() -> Result {
    let reader = PrometheusReader::builder().with_self_metrics().without_target_info().build()?;
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    fill(&provider.meter("large"), 3_000);
    let value = |name: &str| -> Result<f64> {
        let samples = check(&reader.render()?);
        let is_meant = |label: Option<&str>| label.is_none_or(|code| code == "200");
        let found = samples.iter().find(|s| s.name == name && is_meant(s.label("code")));
        // A histogram without values is not there.
        Ok(found.map_or(0.0, |sample| sample.value))
    };
    let expect = |requests: f64, in_flight: f64, bytes: usize| -> Result {
        assert_eq!(value("promhttp_metric_handler_requests_total")?, requests);
        assert_eq!(value("promhttp_metric_handler_requests_in_flight")?, in_flight);
        assert_eq!(value("exporter_response_bytes_total")?, bytes as f64);
        assert_eq!(value("exporter_scrape_duration_seconds_count")?, requests);
        Ok(())
    };
    let body = get(&reader, &[]).into_body();
    expect(0.0, 1.0, 0)?;
    let whole = read(body)?.len();
    expect(1.0, 0.0, whole)?;
    let mut gone = get(&reader, &[]).into_body();
    let part = chunk(&mut gone).ok_or("a chunk")??.len();
    expect(1.0, 1.0, whole)?;
    drop(gone);
    expect(2.0, 0.0, whole + part)?;
    Ok(())
}
