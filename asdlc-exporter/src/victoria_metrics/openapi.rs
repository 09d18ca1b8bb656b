//! The `OpenAPI` document, from the types that requests are read into and answers are written from.

use super::envelope::ErrorAnswer;
use bytes::Bytes;
use std::sync::LazyLock;
use utoipa::{IntoResponses, OpenApi};

/// The document.
pub(super) fn json() -> Bytes {
    // What the derive makes can be written.
    static JSON: LazyLock<Bytes> =
        LazyLock::new(|| Document::openapi().to_json().unwrap_or_default().into());
    JSON.clone()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Metrics queries",
        description = "PromQL and MetricsQL queries of the metrics that VictoriaMetrics has stored.",
    ),
    // The folder that the document is in.
    servers((url = ".")),
    paths(
        operations::query_range,
        operations::query_range_form,
        operations::query,
        operations::query_form,
        operations::services,
        operations::health,
    ),
    tags((name = "metrics")),
)]
struct Document;

/// What every route can answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it stands for the answers")]
enum Errors {
    /// A parameter is unknown, missing, there twice or not allowed; the message names it.
    #[response(status = 400)]
    BadData(ErrorAnswer),
    /// Too many queries at a time, here or at `VictoriaMetrics`.
    #[response(
        status = 429,
        headers(("Retry-After" = u32, description = "Seconds"))
    )]
    Busy(ErrorAnswer),
    /// `VictoriaMetrics` answered with what cannot be passed on.
    #[response(status = 502)]
    BadAnswer(ErrorAnswer),
    /// `VictoriaMetrics` cannot be reached, does not answer in time, or is not configured.
    #[response(status = 503)]
    Unavailable(ErrorAnswer),
}

/// What a query can be answered with, too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it stands for the answers")]
enum QueryErrors {
    /// `VictoriaMetrics` cannot evaluate the query; the message says why.
    #[response(status = 422)]
    Execution(ErrorAnswer),
}

/// What a URL can be answered with, too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it stands for the answers")]
enum UrlErrors {
    /// The server takes no URL as long as this one; the answer is its own.
    #[response(status = 414)]
    TooLong,
}

/// What a form can be answered with, too.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it stands for the answers")]
enum FormErrors {
    /// The form did not come in time.
    #[response(status = 408)]
    SlowRequest(ErrorAnswer),
    /// The form is longer than 64 KiB.
    #[response(status = 413)]
    TooLong(ErrorAnswer),
    /// The body is no form.
    #[response(status = 415)]
    UnsupportedMediaType(ErrorAnswer),
}

/// Read by utoipa alone.
#[expect(dead_code, reason = "they stand for the routes")]
mod operations {
    use super::{
        super::{
            envelope::{ErrorAnswer, Healthy, QueryResult, Services, Unhealthy},
            params::{InstantQuery, RangeQuery},
        },
        Errors, FormErrors, QueryErrors, UrlErrors,
    };

    /// Series over a range of time.
    #[utoipa::path(
        get,
        path = "/query_range",
        tag = "metrics",
        params(RangeQuery),
        responses((status = 200, description = "The series", body = QueryResult), Errors, QueryErrors, UrlErrors)
    )]
    pub(super) fn query_range() {}

    /// Series over a range of time; the parameters may be in a form.
    #[utoipa::path(
        post,
        path = "/query_range",
        tag = "metrics",
        request_body(content = RangeQuery, content_type = "application/x-www-form-urlencoded"),
        responses(
            (status = 200, description = "The series", body = QueryResult),
            Errors,
            QueryErrors,
            FormErrors
        )
    )]
    pub(super) fn query_range_form() {}

    /// Values at one time.
    #[utoipa::path(
        get,
        path = "/query",
        tag = "metrics",
        params(InstantQuery),
        responses((status = 200, description = "The values", body = QueryResult), Errors, QueryErrors, UrlErrors)
    )]
    pub(super) fn query() {}

    /// Values at one time; the parameters may be in a form.
    #[utoipa::path(
        post,
        path = "/query",
        tag = "metrics",
        request_body(content = InstantQuery, content_type = "application/x-www-form-urlencoded"),
        responses(
            (status = 200, description = "The values", body = QueryResult),
            Errors,
            QueryErrors,
            FormErrors
        )
    )]
    pub(super) fn query_form() {}

    /// The services that have metrics.
    #[utoipa::path(
        get,
        path = "/services",
        tag = "metrics",
        responses((status = 200, description = "Their names", body = Services), Errors)
    )]
    pub(super) fn services() {}

    /// Whether `VictoriaMetrics` answers queries.
    #[utoipa::path(
        get,
        path = "/health",
        tag = "metrics",
        responses(
            (status = 200, description = "It does", body = Healthy),
            (status = 400, description = "There are no parameters here", body = ErrorAnswer),
            (status = 503, description = "It does not", body = Unhealthy)
        )
    )]
    pub(super) fn health() {}
}
