//! The page shows a problem while it lasts.

use asdlc_tests::example::Example;
use asdlc_tests::wait::{DEADLINE, eventually};

use super::Page;
use super::faulty_proxy::{FaultyProxy, NO_VICTORIA_METRICS, Source};
use asdlc_tests::servers::Browser;

#[test]
fn a_server_that_is_down_is_shown_until_it_is_back() {
    let orchestrator = Example::start("orchestrator");
    let address = orchestrator.address();
    let browser = Browser::start();
    // Without the proxy, so that the browser cannot reach the server itself.
    let page = Page { browser, proxy: FaultyProxy::of(address) };
    page.browser.open(format_args!("http://{address}/"));
    page.await_text("#source", "Live from /metrics");
    assert_eq!(page.text("#trouble"), "");

    orchestrator.process().kill();
    page.await_text("#trouble", &format!("{address} does not respond. The plots end at "));
    assert_eq!(page.run("return document.querySelector('main').dataset.trouble", &[]), "true");
    // The plots stay.
    assert!(page.value("memory: resident").is_some());
    drop(orchestrator);

    let address = address.to_string();
    let orchestrator = Example::start_with("orchestrator", &[("LISTEN_ADDR", &address)]);
    let over = eventually(DEADLINE, || page.text("#trouble").is_empty());
    assert!(over, "{}", page.text("#trouble"));
    // Its counters restarted at zero. Rates include only what they have counted since.
    orchestrator.connect().get("/health");
    assert!(eventually(DEADLINE, || page.value("requests: all").is_some_and(|rate| rate > 0.0)));
    let rate = page.value("requests: all").expect("it is drawn");
    assert!(rate < 20.0, "{rate}");
}

#[test]
fn an_invalid_scrape_is_shown_as_a_problem_and_not_drawn() {
    let orchestrator = Example::start("orchestrator");
    let page = Page::of(orchestrator.address());
    page.await_text("#source", "Live from /metrics");
    let info = "asdlc_service_info{service=\"other\",version=\"9\"} 1\n";
    let cases: [(u16, String, &str); 5] = [
        (500, "it broke".into(), "Status 500, it broke."),
        (200, "<html>".into(), "its last line has no end"),
        (200, "<html>\n".into(), "Line 1 of the scrape: no metric name: <html>"),
        (200, format!("{info}a{{b=\"c\"}} many\n"), "Line 2 of the scrape: no value"),
        (200, String::new(), "no asdlc_service_info"),
    ];
    for (status, body, message) in cases {
        page.proxy.set_scrape_source(Source::Fixed(status, body.leak()));
        page.await_text("#trouble", message);
        assert_eq!(page.text("h1"), "orchestrator");
        assert!(page.value("memory: resident").is_some_and(|bytes| bytes > 1e6));
    }
    page.proxy.set_scrape_source(Source::From(orchestrator.address()));
    assert!(eventually(DEADLINE, || page.text("#trouble").is_empty()));
    page.assert_console_is_empty();
}

// F-27, a neighbour
#[test]
fn an_incomplete_response_is_drawn_with_a_warning() {
    let orchestrator = Example::start("orchestrator");
    let page = Page::of(orchestrator.address());
    let result = r#""data":{"resultType":"matrix","result":[{"metric":{"line":"requests: all"},"values":[[1,"2"]]}]}"#;
    for (marks, note) in [
        (r#""isPartial":true,"#, "a storage node did not respond"),
        (r#""warnings":["a node is slow"],"#, "VictoriaMetrics warns: a node is slow"),
        ("", ""),
    ] {
        let body = format!(r#"{{"status":"success",{marks}{result}}}"#);
        page.proxy.set_query_source(Source::Fixed(200, body.leak()));
        page.click("#refresh");
        page.await_text("#source", "From VictoriaMetrics");
        if note.is_empty() {
            assert!(
                eventually(DEADLINE, || page.text("#note").is_empty()),
                "{}",
                page.text("#note")
            );
        } else {
            page.await_text("#note", note);
        }
    }
    page.assert_console_is_empty();
}

#[test]
fn the_page_shows_why_it_is_live_and_not_from_victoria_metrics() {
    let orchestrator = Example::start("orchestrator");
    let page = Page::of(orchestrator.address());
    let nothing = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    let nameless = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"]]}]}}"#;
    let cases = [
        (NO_VICTORIA_METRICS, "status 503, VictoriaMetrics is not configured"),
        (Source::Fixed(404, ""), "status 404, without a reason"),
        (
            Source::Fixed(422, r#"{"status":"error","error":"cannot parse"}"#),
            "status 422, cannot parse",
        ),
        (Source::Fixed(200, "<html>"), "its response is not JSON"),
        (Source::Fixed(200, "null"), "its response is not a matrix: null"),
        (
            Source::Fixed(
                200,
                r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
            ),
            "not a matrix",
        ),
        (Source::Fixed(200, nameless), "a series without a name"),
        (Source::Fixed(200, nothing), "it has no samples of this service"),
    ];
    for (source, message) in cases {
        page.proxy.set_query_source(source);
        page.click("#refresh");
        page.await_text("#note", message);
        page.await_text("#source", "Live from /metrics");
        assert_eq!(page.text("#trouble"), "");
    }
    page.assert_console_is_empty();
}
