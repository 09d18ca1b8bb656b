//! The dashboard, in a real browser.

mod arithmetic;
mod failures;
mod faulty_proxy;
mod keyboard_and_theme;
mod live;
mod stored;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use asdlc_tests::example::Example;
use asdlc_tests::servers::Browser;
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use faulty_proxy::Front;

/// The page of an orchestrator, with a [`Front`] between them.
struct Page {
    browser: Browser,
    front: Front,
}

impl Page {
    fn of(orchestrator: SocketAddr) -> Self {
        let page = Self { browser: Browser::start(), front: Front::of(orchestrator) };
        page.open();
        page
    }

    fn open(&self) {
        self.browser.open(format_args!("http://{}/", self.front.address()));
    }

    /// The value of a line such as `requests: all`, unrounded; `None` where a dash stands.
    fn value(&self, line: &str) -> Option<f64> {
        let values = self.values();
        *values.get(line).unwrap_or_else(|| panic!("the page has no line {line:?}"))
    }

    /// The values of all lines, at one moment.
    fn values(&self) -> BTreeMap<String, Option<f64>> {
        let script = "return [...document.querySelectorAll('data')].map(({ dataset, value }) => [dataset.line, value])";
        let values: Vec<(String, String)> =
            serde_json::from_value(self.run(script, &[])).expect("pairs of texts");
        values.into_iter().map(|(line, value)| (line, value.parse().ok())).collect()
    }

    /// What an element says that people can see; "" where it is not.
    fn text(&self, selector: &str) -> String {
        let text =
            self.run("return document.querySelector(arguments[0]).innerText", &[json!(selector)]);
        text.as_str().unwrap_or_default().to_owned()
    }

    fn click(&self, selector: &str) {
        let _ = self.run("document.querySelector(arguments[0]).click()", &[json!(selector)]);
    }

    fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.browser.run(script, arguments)
    }

    /// Waits for a text that contains `part`.
    #[track_caller]
    fn await_text(&self, selector: &str, part: &str) {
        let mut last = String::new();
        let arrived = eventually(DEADLINE, || {
            last = self.text(selector);
            last.contains(part)
        });
        let [status, trouble] = ["[role=status]", "#trouble"].map(|part| self.text(part));
        assert!(
            arrived,
            "{selector} says {last:?}, and not {part:?}; status {status:?}, trouble {trouble:?}"
        );
    }

    /// Checks that the console is empty, but for what the browser says of range queries and scrapes that failed.
    #[track_caller]
    fn assert_console_is_empty(&self) {
        let mut entries = self.browser.console();
        entries.retain(|entry| {
            let failed = entry.starts_with("network: ");
            !(failed
                && (entry.contains("/api/metrics/query_range?") || entry.contains("/metrics - ")))
        });
        assert!(entries.is_empty(), "{entries:#?}");
    }
}

/// Where the page's own files have been asked for, so that nothing but the test sends requests.
#[track_caller]
fn await_quiet(orchestrator: &Example) {
    // All but the licence, which is only linked.
    const FILES: f64 = 16.0;
    let loaded = eventually(DEADLINE, || {
        let scrape = orchestrator.scrape();
        let files = [("endpoint", "/dashboard/{*file}"), ("status", "200")];
        scrape.value("asdlc_http_requests_total", &files).is_some_and(|files| files >= FILES)
    });
    assert!(
        loaded,
        "{:?}",
        orchestrator.scrape().samples("asdlc_http_requests_total").collect::<Vec<_>>()
    );
}
