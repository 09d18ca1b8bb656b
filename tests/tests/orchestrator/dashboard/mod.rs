//! The dashboard, in a real browser.

mod arithmetic;
mod exemplars;
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

use faulty_proxy::FaultyProxy;

/// The page of an orchestrator behind a [`FaultyProxy`].
struct Page {
    browser: Browser,
    proxy: FaultyProxy,
}

impl Page {
    fn of(orchestrator: SocketAddr) -> Self {
        let page = Self { browser: Browser::start(), proxy: FaultyProxy::of(orchestrator) };
        page.open();
        page
    }

    fn open(&self) {
        self.browser.open(format_args!("http://{}/", self.proxy.address()));
    }

    /// The exact value of a line such as `requests: all`. `None` if the page shows a dash.
    fn value(&self, line: &str) -> Option<f64> {
        let values = self.values();
        *values.get(line).unwrap_or_else(|| panic!("the page has no line {line:?}"))
    }

    /// The values of all lines at one moment.
    fn values(&self) -> BTreeMap<String, Option<f64>> {
        let script = "return [...document.querySelectorAll('data')].map(({ dataset, value }) => [dataset.line, value])";
        let values: Vec<(String, String)> =
            serde_json::from_value(self.run(script, &[])).expect("pairs of texts");
        values.into_iter().map(|(line, value)| (line, value.parse().ok())).collect()
    }

    /// The visible text of an element, or "".
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
            "{selector} is {last:?}, not {part:?}; status {status:?}, trouble {trouble:?}"
        );
    }

    /// Checks that the console is empty, except for messages of the browser about failed range queries and scrapes.
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

/// Waits until the page has loaded its files. After that only the test sends requests.
#[track_caller]
fn await_quiet(orchestrator: &Example) {
    // All files except the licence, which is only linked.
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
