//! What can be wrong is said on the page, and no longer when it is right again.

use asdlc_tests::example::Example;
use asdlc_tests::wait::{DEADLINE, eventually};

use super::Page;
use super::faulty_proxy::{Answer, Front, NO_VICTORIA_METRICS};
use asdlc_tests::servers::Browser;

#[test]
fn a_server_that_is_gone_is_said_until_it_is_back() {
    let orchestrator = Example::start("orchestrator");
    let address = orchestrator.address();
    let browser = Browser::start();
    // Nothing in front: what the browser cannot reach is the server itself.
    let page = Page { browser, front: Front::of(address) };
    page.browser.open(format_args!("http://{address}/"));
    page.await_text("#source", "Live from /metrics");
    assert_eq!(page.text("#trouble"), "");

    orchestrator.process().kill();
    page.await_text("#trouble", &format!("{address} does not answer. What is drawn ends at "));
    assert_eq!(page.run("return document.querySelector('main').dataset.trouble", &[]), "true");
    // What was drawn stays.
    assert!(page.value("memory: resident").is_some());
    drop(orchestrator);

    let address = address.to_string();
    let orchestrator = Example::start_with("orchestrator", &[("LISTEN_ADDR", &address)]);
    let over = eventually(DEADLINE, || page.text("#trouble").is_empty());
    assert!(over, "{}", page.text("#trouble"));
    // Its counters began again at zero, and only what they counted since is a rate.
    orchestrator.connect().get("/health");
    assert!(eventually(DEADLINE, || page.value("requests: all").is_some_and(|rate| rate > 0.0)));
    let rate = page.value("requests: all").expect("it is drawn");
    assert!(rate < 20.0, "{rate}");
}

#[test]
fn a_scrape_that_cannot_be_read_is_said_and_nothing_is_drawn_from_it() {
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
        page.front.answer_scrapes(Answer::Fixed(status, body.leak()));
        page.await_text("#trouble", message);
        assert_eq!(page.text("h1"), "orchestrator");
        assert!(page.value("memory: resident").is_some_and(|bytes| bytes > 1e6));
    }
    page.front.answer_scrapes(Answer::From(orchestrator.address()));
    assert!(eventually(DEADLINE, || page.text("#trouble").is_empty()));
    page.assert_console_is_empty();
}

// F-27, a neighbour
#[test]
fn a_picture_of_a_part_is_said_to_be_one() {
    let orchestrator = Example::start("orchestrator");
    let page = Page::of(orchestrator.address());
    let result = r#""data":{"resultType":"matrix","result":[{"metric":{"line":"requests: all"},"values":[[1,"2"]]}]}"#;
    for (marks, note) in [
        (r#""isPartial":true,"#, "a part of it did not answer"),
        (r#""warnings":["a node is slow"],"#, "VictoriaMetrics warns: a node is slow"),
        ("", ""),
    ] {
        let answer = format!(r#"{{"status":"success",{marks}{result}}}"#);
        page.front.answer_queries(Answer::Fixed(200, answer.leak()));
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
fn why_there_is_nothing_from_victoria_metrics_is_said_beside_the_live_picture() {
    let orchestrator = Example::start("orchestrator");
    let page = Page::of(orchestrator.address());
    let nothing = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    let nameless = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"]]}]}}"#;
    let cases = [
        (NO_VICTORIA_METRICS, "status 503, VictoriaMetrics is not configured"),
        (Answer::Fixed(404, ""), "status 404, without a reason"),
        (
            Answer::Fixed(422, r#"{"status":"error","error":"cannot parse"}"#),
            "status 422, cannot parse",
        ),
        (Answer::Fixed(200, "<html>"), "its answer is no JSON"),
        (Answer::Fixed(200, "null"), "its answer is not a matrix: null"),
        (
            Answer::Fixed(
                200,
                r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
            ),
            "not a matrix",
        ),
        (Answer::Fixed(200, nameless), "a series without a name"),
        (Answer::Fixed(200, nothing), "it has no samples of this service"),
    ];
    for (answer, message) in cases {
        page.front.answer_queries(answer);
        page.click("#refresh");
        page.await_text("#note", message);
        page.await_text("#source", "Live from /metrics");
        assert_eq!(page.text("#trouble"), "");
    }
    page.assert_console_is_empty();
}
