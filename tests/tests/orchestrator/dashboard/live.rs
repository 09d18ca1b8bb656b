//! Without `VictoriaMetrics` the page draws its own scrapes.

use std::net::SocketAddr;
use std::time::Instant;

use asdlc_tests::example::Example;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::wait::{DEADLINE, eventually};

use super::super::traffic::{self, Client, TASKS};
use super::{Page, await_quiet};

const SERVICE: &str = "night \"shift\" <b>";

#[test]
fn the_numbers_are_those_of_the_traffic() {
    let orchestrator = traffic::start_with(&[("SERVICE_NAME", SERVICE)]);
    let page = Page::of(orchestrator.address());
    page.await_text("h1", SERVICE);
    page.await_text("#version", concat!("version ", env!("CARGO_PKG_VERSION")));
    page.await_text("#uptime", "up ");
    page.await_text("#source", "Live from /metrics");
    page.await_text("#note", "status 503, VictoriaMetrics is not configured");
    await_quiet(&orchestrator);
    let start = Instant::now();
    compare_from_here(&page);
    let before = orchestrator.scrape();
    assert_eq!(page.value("errors: 5xx"), None, "{}", page.text("#errors"));
    assert_eq!(page.text("#errors .empty"), "No requests");

    let mut client = Client::of(&orchestrator);
    for _ in 0..10 {
        client.one_of_each();
    }
    client.run_task("wait", "30");
    let mut seen = before.sum("asdlc_http_requests_total");
    let sent = client.sent.total();
    let counted = eventually(DEADLINE, || {
        seen = orchestrator.scrape().sum("asdlc_http_requests_total");
        seen >= before.sum("asdlc_http_requests_total") + sent
    });
    assert!(counted, "{seen}");
    let after = orchestrator.scrape();
    let share = |class| client.sent.with_status(&[class]).total() / sent;

    // When the ratio is that of all requests, the window still includes all of them.
    let expected = client.sent.failed().total() / sent;
    let mut shown = page.values();
    let arrived = eventually(DEADLINE, || {
        shown = page.values();
        shown["errors: any failure"].is_some_and(|failures| near(failures, expected))
    });
    assert!(arrived, "{shown:?}, not {expected}");
    let elapsed = start.elapsed().as_secs_f64();
    let value = |line| shown[line].unwrap_or_else(|| panic!("{line} has no value"));
    let all = value("requests: all");
    // The window of the page is shorter than the time of the test, and at least one second.
    assert!((sent / elapsed..=sent).contains(&all), "{all}/s, {sent} in {elapsed} s");
    assert_near(value("errors: 5xx"), share('5'));
    assert_near(value("requests: 4xx") / all, share('4'));
    assert_near(value("requests: 5xx") / all, share('5'));
    assert_near(value("events: tasks done") / all, 11.0 / sent);
    for (line, q) in [("latency: p50", 0.5), ("latency: p90", 0.9), ("latency: p99", 0.99)] {
        assert_near(value(line), quantile(q, &before, &after));
    }
    let resident =
        after.value("asdlc_process_memory_bytes", &[("type", "rss")]).expect("it exists");
    assert!((value("memory: resident") / resident - 1.0).abs() < 0.1, "{resident}");

    // After the window has moved on, there are no requests in it.
    assert!(eventually(DEADLINE, || page.value("requests: all") == Some(0.0)));
    assert_eq!(page.value("errors: 5xx"), None);
    assert_eq!(page.value("latency: p50"), None);
    page.assert_console_is_empty();
}

#[test]
fn requests_in_flight_are_shown_while_they_last() {
    let orchestrator = Example::start("orchestrator");
    let page = Page::of(orchestrator.address());
    let in_flight =
        |count| eventually(DEADLINE, || page.value("in-flight: in flight") == Some(count));
    assert!(in_flight(0.0));
    let id = Client::of(&orchestrator).submit("wait", "60000");
    let waiting: Vec<_> = (0..3).map(|_| send_waiting(orchestrator.address(), id)).collect();
    assert!(in_flight(3.0));
    assert_eq!(page.text("#in-flight .headline"), "3");
    drop(waiting);
    assert!(in_flight(0.0));
    // The orchestrator has no workers, and the page says so.
    assert!(page.text("#workers .empty").starts_with("No workers found."));
    assert_eq!(page.value("workers: active workers"), None);
}

#[test]
fn the_page_sends_requests_only_to_its_server() {
    let orchestrator = Example::start("orchestrator");
    let page = Page::of(orchestrator.address());
    page.await_text("#source", "Live from /metrics");
    let origin = format!("http://{}/", page.proxy.address());
    let names =
        page.run("return performance.getEntriesByType('resource').map(({ name }) => name)", &[]);
    let names: Vec<_> =
        names.as_array().expect("a list").iter().filter_map(|name| name.as_str()).collect();
    assert!(names.len() > 15 && names.iter().all(|name| name.starts_with(&origin)), "{names:#?}");
    let headers = orchestrator.connect().get("/").headers().clone();
    let policy = headers["content-security-policy"].to_str().expect("it is text");
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    // The browser enforces the policy.
    let refused = page
        .run("return fetch('http://127.0.0.1:9/').then(() => 'asked', (error) => error.name)", &[]);
    assert_eq!(refused, "TypeError");
    let console = page.browser.console();
    assert!(
        console
            .iter()
            .any(|entry| entry.contains("violates the following Content Security Policy")),
        "{console:#?}"
    );
}

/// Pauses and resumes the page, so that rates do not include anything from before.
fn compare_from_here(page: &Page) {
    page.click("#pause");
    page.click("#pause");
    let [_, scrapes] = page.proxy.seen();
    // Two scrapes have been compared, and there were no requests between them.
    let quiet = eventually(DEADLINE, || {
        page.proxy.seen()[1] >= scrapes + 2 && page.value("requests: all") == Some(0.0)
    });
    assert!(quiet, "{:?}", page.value("requests: all"));
}

/// Sends a request whose response arrives when the task has finished. Dropping the stream ends the request.
fn send_waiting(address: SocketAddr, id: u64) -> std::net::TcpStream {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address).expect("the server listens");
    write!(stream, "GET {TASKS}/{id}/wait HTTP/1.1\r\nHost: test\r\n\r\n")
        .expect("the server reads");
    stream
}

/// The quantile of the requests between two scrapes, computed as Prometheus does.
fn quantile(q: f64, before: &Exposition, after: &Exposition) -> f64 {
    const BUCKET: &str = "asdlc_http_request_duration_seconds_bucket";
    let counts = |scrape: &Exposition| scrape.sum_by(BUCKET, ["le"]);
    let (before, after) = (counts(before), counts(after));
    let bound = |le: &str| if le == "+Inf" { f64::INFINITY } else { le.parse().expect("a bound") };
    let mut buckets: Vec<_> = after
        .iter()
        .map(|(le, count)| (bound(&le[0]), count - before.get(le).unwrap_or(&0.0)))
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rank = q * buckets.last().expect("there are buckets").1;
    let at = buckets.iter().position(|(_, count)| *count >= rank).expect("the last has all");
    let (below, fewer) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    below + (buckets[at].0 - below) * (rank - fewer) / (buckets[at].1 - fewer)
}

#[track_caller]
fn assert_near(shown: f64, expected: f64) {
    assert!(near(shown, expected), "{shown} is shown, {expected} expected");
}

fn near(shown: f64, expected: f64) -> bool {
    (shown - expected).abs() < 1e-9
}
