//! The table of exemplars: the latest request of each latency bucket, with its trace.

use asdlc_tests::example::Example;
use asdlc_tests::wait::{DEADLINE, eventually};
use http::Request;
use serde_json::json;

use super::super::traffic::{Client, TASKS};
use super::Page;

const TRACE_URL: &str = "https://traces.example/{trace_id}/view?id={trace_id}";
const FAST: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SLOW: &str = "0af7651916cd43dd8448eb211c80319c";

//
#[test]
fn the_page_shows_the_trace_of_the_latest_request_of_each_bucket() {
    let orchestrator = Example::start_with("orchestrator", &[("TRACE_URL", TRACE_URL)]);
    let page = Page::of(orchestrator.address());
    page.await_text("#source", "Live from /metrics");
    let is_hidden = || page.run("return document.querySelector('#exemplars').hidden", &[]);
    assert_eq!(is_hidden(), json!(true), "no request was sampled");

    let id = Client::of(&orchestrator).submit("wait", "1200");
    let slow = format!("{TASKS}/{id}/wait");
    send(&orchestrator, &slow, SLOW, true);
    for (trace, is_sampled) in [(FAST, true), ("11111111111111111111111111111111", false)] {
        send(&orchestrator, TASKS, trace, is_sampled);
    }
    let mut shown = rows(&page);
    let arrived = eventually(DEADLINE, || {
        shown = rows(&page);
        shown.len() == 2
    });
    assert!(arrived, "{shown:#?}");
    assert_eq!(is_hidden(), json!(false));
    // The slowest first.
    for (row, (trace, endpoint)) in
        shown.iter().zip([(SLOW, "GET /api/v1/tasks/{id}/wait"), (FAST, "GET /api/v1/tasks")])
    {
        assert_eq!(row["trace"], trace, "{shown:#?}");
        assert_eq!(row["endpoint"], endpoint, "{shown:#?}");
        let link = TRACE_URL.replace("{trace_id}", trace);
        assert_eq!(row["link"], link, "{shown:#?}");
        assert_eq!(row["copy"], format!("Copy the trace id {trace}"));
        assert_ne!(row["at"], "");
    }
    let text = |row: usize, cell: &str| shown[row][cell].as_str().unwrap_or_default().to_owned();
    assert_eq!(text(0, "bucket"), "up to 2.5 s");
    assert!(text(0, "duration").ends_with(" s"), "{shown:#?}");
    assert_ne!(text(1, "bucket"), text(0, "bucket"));

    // A newer request of the same bucket replaces the older one.
    let newer = "22222222222222222222222222222222";
    let id = Client::of(&orchestrator).submit("wait", "1200");
    send(&orchestrator, &format!("{TASKS}/{id}/wait"), newer, true);
    let arrived = eventually(DEADLINE, || {
        shown = rows(&page);
        shown.iter().any(|row| row["trace"] == newer)
    });
    assert!(arrived && shown.iter().all(|row| row["trace"] != SLOW), "{shown:#?}");

    // The button copies the id.
    let copied = "const copied = []; \
                  Object.defineProperty(navigator, 'clipboard', { value: { writeText: (text) => copied.push(text) } }); \
                  document.querySelector('#exemplars .copy').click(); \
                  return copied";
    assert_eq!(page.run(copied, &[]), json!([newer]));
    page.assert_console_is_empty();
}

//
#[test]
fn without_the_page_of_a_trace_there_is_its_id_without_a_link() {
    // A page that would run a script is none.
    for url in ["", "javascript:alert('{trace_id}')"] {
        let orchestrator = Example::start_with("orchestrator", &[("TRACE_URL", url)]);
        let page = Page::of(orchestrator.address());
        send(&orchestrator, TASKS, FAST, true);
        page.await_text("#exemplars tbody", FAST);
        let row = &rows(&page)[0];
        assert_eq!((&row["trace"], &row["link"]), (&json!(FAST), &json!(null)), "{url}");
        page.assert_console_is_empty();
    }
}

fn send(orchestrator: &Example, path: &str, trace: &str, is_sampled: bool) {
    let header = format!("00-{trace}-00f067aa0ba902b7-{:02}", u8::from(is_sampled));
    let request = Request::get(path).header("traceparent", header).body("");
    let response = orchestrator.connect().send(request.expect("a request"));
    assert!(response.status().is_success(), "{response:?}");
}

/// The rows of the table.
fn rows(page: &Page) -> Vec<serde_json::Value> {
    let script = "return [...document.querySelectorAll('#exemplars tbody tr')].map((row) => { \
                      const text = (part) => row.querySelector(part).textContent; \
                      return { duration: text('.duration'), bucket: text('.bucket'), endpoint: text('.endpoint'), \
                               at: text('.at'), trace: text('.trace'), \
                               link: row.querySelector('.trace').getAttribute('href'), \
                               copy: row.querySelector('.copy').getAttribute('aria-label') }; })";
    serde_json::from_value(page.run(script, &[])).expect("a list")
}
