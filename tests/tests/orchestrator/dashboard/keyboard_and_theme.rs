//! Keyboard control, themes, and a page that is paused or hidden.

use std::collections::BTreeSet;

use asdlc_tests::example::Example;
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::json;

use super::Page;

const TAB: char = '\u{E004}';
const SPACE: char = '\u{E00D}';
const HOME: char = '\u{E011}';
const LEFT: char = '\u{E012}';
const RIGHT: char = '\u{E014}';
const ESCAPE: char = '\u{E00C}';

#[test]
fn everything_can_be_done_with_the_keyboard() {
    let orchestrator = Example::start("orchestrator");
    let page = Page::of(orchestrator.address());
    assert!(eventually(DEADLINE, || page.value("requests: all").is_some()));

    let mut reached = BTreeSet::new();
    for _ in 0..60 {
        page.browser.press(TAB);
        let focused = page.run(
            "const { activeElement: e } = document; return e.id || e.name || e.tagName + ' ' + e.className + ' ' + (e.closest('section')?.id ?? '')",
            &[],
        );
        reached.insert(focused.as_str().expect("a text").trim().to_owned());
    }
    let panels = ["requests", "errors", "latency", "in-flight", "events", "workers", "memory"];
    let plots = panels.map(|panel| format!("DIV plot {panel}"));
    let buttons = panels.map(|panel| format!("BUTTON  {panel}"));
    let controls = ["range", "pause", "refresh", "theme", "SUMMARY"].map(str::to_owned);
    for expected in plots.iter().chain(&buttons).chain(&controls) {
        assert!(reached.contains(expected), "{expected} is not among {reached:#?}");
    }

    // Moving along a plot.
    focus(&page, "#memory .plot");
    let value_text =
        || page.run("return document.querySelector('#memory .plot').ariaValueText", &[]);
    assert!(eventually(DEADLINE, || page
        .run("return Number(document.querySelector('#memory .plot').ariaValueMax)", &[])
        .as_f64()
        >= Some(2.0)));
    page.browser.press(HOME);
    let first = value_text();
    assert!(
        first.as_str().is_some_and(|text| text.contains("resident ") && text.contains("MiB")),
        "{first}"
    );
    assert_ne!(page.text("#memory .time"), "now");
    // All plots show the same time.
    assert_eq!(page.text("#requests .time"), page.text("#memory .time"));
    page.browser.press(RIGHT);
    assert_ne!(value_text(), first);
    page.browser.press(LEFT);
    assert_eq!(value_text(), first);
    page.browser.press(ESCAPE);
    assert_eq!(page.text("#memory .time"), "now");

    // Showing a hidden line.
    let pressed = "return document.querySelectorAll('#memory button')[1].ariaPressed";
    assert_eq!(page.run(pressed, &[]), "false");
    focus(&page, "#memory li:nth-child(2) button");
    page.browser.press(SPACE);
    assert_eq!(page.run(pressed, &[]), "true");

    focus(&page, "summary");
    page.browser.press(SPACE);
    page.await_text("details tbody", "Memory: resident");
    page.await_text("details tbody tr:last-child", "MiB");
    focus(&page, "#pause");
    page.browser.press(SPACE);
    assert_eq!(page.text("#pause"), "Resume");
    page.assert_console_is_empty();
}

#[test]
fn the_theme_follows_the_system_until_the_button_is_pressed() {
    let orchestrator = Example::start("orchestrator");
    let page = Page::of(orchestrator.address());
    let system = |scheme: &str| {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        page.browser.devtools("Emulation.setEmulatedMedia", &features);
    };
    let is_dark = || page.run(LUMINANCE, &[json!("body")]).as_f64().expect("a number") < 0.2;
    system("light");
    assert!(eventually(DEADLINE, || !is_dark()));
    assert_readable(&page);
    system("dark");
    assert!(eventually(DEADLINE, is_dark));
    assert_readable(&page);

    page.click("#theme");
    assert!(!is_dark());
    page.browser.reload();
    assert!(!is_dark(), "the choice is lost after a reload");
    page.click("#theme");
    assert!(is_dark());
    page.assert_console_is_empty();
}

#[test]
fn a_paused_or_hidden_page_sends_no_requests() {
    let orchestrator = Example::start("orchestrator");
    let page = Page::of(orchestrator.address());
    assert!(eventually(DEADLINE, || page.value("requests: all").is_some()));

    page.click("#pause");
    assert_silent(&page);
    page.click("#pause");
    assert_sends(&page);

    let tab = page.browser.cover();
    assert_silent(&page);
    page.browser.show(&tab);
    assert_sends(&page);
}

/// Checks that the page sends no request during the time of three updates.
#[track_caller]
fn assert_silent(page: &Page) {
    // A request in progress may still arrive.
    let settled = eventually(DEADLINE, || {
        let before = page.proxy.seen();
        !eventually(THREE_UPDATES, || page.proxy.seen() != before)
    });
    assert!(settled, "the page keeps sending requests");
}

#[track_caller]
fn assert_sends(page: &Page) {
    let [_, before] = page.proxy.seen();
    assert!(
        eventually(DEADLINE, || page.proxy.seen()[1] > before + 1),
        "the page sends no requests"
    );
}

/// Checks that the contrast of text and background is at least 4.5 to 1, as WCAG 2 requires.
#[track_caller]
fn assert_readable(page: &Page) {
    for selector in [
        "h1",
        "#version",
        "h2",
        ".headline",
        ".lines button",
        ".lines data",
        "#source",
        "footer",
        "a",
        "#pause",
        "input:checked + span",
    ] {
        let contrast = page.run(CONTRAST, &[json!(selector)]).as_f64().expect("a number");
        assert!(contrast >= 4.5, "{selector}: {contrast}");
    }
}

fn focus(page: &Page, selector: &str) {
    let _ = page.run("document.querySelector(arguments[0]).focus()", &[json!(selector)]);
}

const THREE_UPDATES: std::time::Duration = std::time::Duration::from_secs(7);

const LUMINANCE: &str = "
    const color = getComputedStyle(document.querySelector(arguments[0])).backgroundColor;
    const [r, g, b] = color.match(/[\\d.]+/g).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b";

const CONTRAST: &str = "
    const luminance = (color) => {
        const [r, g, b] = color.match(/[\\d.]+/g).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const element = document.querySelector(arguments[0]);
    let ground = element;
    while (/, 0\\)$/.test(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
    const pair = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor].map(luminance);
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)";
