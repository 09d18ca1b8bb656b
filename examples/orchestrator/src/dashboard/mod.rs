//! The dashboard: a page at `/` and its files, all compiled in. It sends requests only to this server.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

/// `trace_url` is the page of a trace, with `{trace_id}` in it.
pub(crate) fn routes(trace_url: Option<&str>) -> Router {
    let settings = json!({ "traceUrl": trace_url }).to_string();
    Router::new()
        .route("/", get(|| async { respond(&PAGE) }))
        .route("/dashboard/settings", get(|| async { answer(JSON, settings) }))
        .route("/dashboard/{*file}", get(|Path(name): Path<String>| async move { file(&name) }))
}

fn file(name: &str) -> Response {
    FILES
        .iter()
        .find(|file| file.name == name)
        .map_or_else(|| StatusCode::NOT_FOUND.into_response(), respond)
}

fn respond(file: &File) -> Response {
    answer(file.media_type, file.content)
}

fn answer(media_type: &'static str, content: impl IntoResponse) -> Response {
    (HEADERS, [(header::CONTENT_TYPE, media_type)], content).into_response()
}

struct File {
    name: &'static str,
    media_type: &'static str,
    content: &'static str,
}

macro_rules! file {
    ($name:literal, $media_type:ident) => {
        File { name: $name, media_type: $media_type, content: include_str!($name) }
    };
}

const PAGE: File = file!("index.html", HTML);

const FILES: &[File] = &[
    file!("app.js", JAVASCRIPT),
    file!("exemplars.js", JAVASCRIPT),
    file!("exposition.js", JAVASCRIPT),
    file!("expressions.js", JAVASCRIPT),
    file!("format.js", JAVASCRIPT),
    file!("icon.svg", SVG),
    file!("live.js", JAVASCRIPT),
    file!("panels.js", JAVASCRIPT),
    file!("plot.js", JAVASCRIPT),
    file!("promql.js", JAVASCRIPT),
    file!("source.js", JAVASCRIPT),
    file!("stored.js", JAVASCRIPT),
    file!("style.css", CSS),
    file!("theme.js", JAVASCRIPT),
    file!("view.js", JAVASCRIPT),
    file!("vendor/LICENSE-uPlot", TEXT),
    file!("vendor/uPlot.iife.min.js", JAVASCRIPT),
    file!("vendor/uPlot.min.css", CSS),
];

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

/// The page may load files and send requests only to this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    // The next program on this port may be another version.
    (header::CACHE_CONTROL, "no-cache"),
];
