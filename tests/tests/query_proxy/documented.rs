//! The `OpenAPI` document, and the page that shows it.

use std::process::Command;

use asdlc_tests::process::Process;
use serde_json::Value;
use tempfile::TempDir;

use crate::proxy::Proxy;

// O-13
#[test]
fn the_document_has_every_route_and_parameter() {
    let proxy = Proxy::of("http://127.0.0.1:1");
    let response = proxy.get("/openapi.json");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    let document: Value = serde_json::from_slice(response.body()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(paths, ["/health", "/query", "/query_range", "/services"]);
    let parameters = |path: &str| -> Vec<(String, bool)> {
        let parameters =
            document["paths"][path]["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let of = |parameter: &Value| {
            assert_eq!(parameter["in"], "query");
            (parameter["name"].as_str().unwrap().to_owned(), parameter["required"] == true)
        };
        parameters.iter().map(of).collect()
    };
    let named = |names: &[(&str, bool)]| {
        names.iter().map(|(name, required)| ((*name).to_owned(), *required)).collect::<Vec<_>>()
    };
    assert_eq!(
        parameters("/query_range"),
        named(&[("query", true), ("start", true), ("end", false), ("step", true)])
    );
    assert_eq!(parameters("/query"), named(&[("query", true), ("time", false)]));
    assert_eq!((parameters("/services"), parameters("/health")), (vec![], vec![]));
    for (path, item) in document["paths"].as_object().unwrap() {
        let responses = item["get"]["responses"].as_object().unwrap();
        assert!(responses.contains_key("200") && responses.contains_key("503"), "{path}");
    }
}

// F-27
#[test]
fn the_document_describes_partial_responses() {
    let proxy = Proxy::of("http://127.0.0.1:1");
    let document: Value = serde_json::from_slice(proxy.get("/openapi.json").body()).unwrap();
    let schemas = &document["components"]["schemas"];
    for name in ["QueryResult", "Services", "Healthy"] {
        let schema = &schemas[name];
        let own = [schema].into_iter().chain(schema["allOf"].as_array().into_iter().flatten());
        let followed = own.map(|part| match part["$ref"].as_str() {
            Some(reference) => &schemas[reference.rsplit('/').next().unwrap()],
            None => part,
        });
        let parts: Vec<_> = followed.collect();
        for (key, kind) in [("isPartial", "boolean"), ("warnings", "array"), ("infos", "array")] {
            let with = parts.iter().find(|part| part["properties"][key]["type"] == kind);
            let with = with.unwrap_or_else(|| panic!("{name} has no {key}: {schema}"));
            let required = with["required"].as_array().cloned().unwrap_or_default();
            assert!(!required.contains(&key.into()), "{name}: {key} is required");
        }
    }
}

// O-13
#[test]
fn the_page_loads_everything_from_this_server() {
    let proxy = Proxy::of("http://127.0.0.1:1");
    let redirect = proxy.get("/docs");
    assert_eq!(
        (redirect.status().as_u16(), redirect.headers()["location"].to_str().unwrap()),
        (308, "docs/")
    );
    let page = proxy.get("/docs/");
    assert_eq!(page.headers()["content-type"], "text/html");
    let html = String::from_utf8(page.body().to_vec()).unwrap();
    // Everything that the page loads has a relative URL and exists.
    let links: Vec<_> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| html.split(attribute).skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(links.len() >= 5, "{html}");
    for link in links {
        assert!(!link.contains("//") && !link.starts_with('/'), "{link}");
        let file = proxy.get(&format!("/docs/{}", link.trim_start_matches("./")));
        assert!(file.status() == 200 && !file.body().is_empty(), "{link}");
    }
    let script = proxy.get("/docs/swagger-initializer.js");
    let script = String::from_utf8(script.body().to_vec()).unwrap();
    assert!(script.contains("../openapi.json"), "{script}");
    assert!(script.contains("\"validatorUrl\": \"none\""), "{script}");
    assert!(!script.contains("http"), "{script}");
    assert_eq!(proxy.get("/docs/no-such-file").status(), 404);
}

// O-13: in a real browser that can reach only this machine.
#[test]
fn a_browser_shows_every_route() {
    let proxy = Proxy::of("http://127.0.0.1:1");
    let profile = TempDir::new().unwrap();
    let mut chromium = Command::new("chromium");
    chromium.env("HOME", profile.path());
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--dump-dom",
    ]);
    chromium.args([
        "--virtual-time-budget=20000",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]);
    chromium.arg(format!("--user-data-dir={}", profile.path().join("data").display()));
    chromium.arg(format!("http://{}/api/metrics/docs", proxy.address()));
    let page = Process::start(chromium).finish().stdout.join("\n");
    for shown in ["Metrics queries", "/query_range", "/query", "/services", "/health"] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    assert!(
        proxy.metric("query_proxy_requests_total", &[("route", "openapi"), ("outcome", "ok")])
            >= 1.0
    );
}
