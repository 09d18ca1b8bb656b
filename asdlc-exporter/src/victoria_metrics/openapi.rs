//! The `OpenAPI` document. utoipa generates it from the types of the parameters and responses.

use super::envelope::ErrorResponse;
use bytes::Bytes;
use std::sync::LazyLock;
use utoipa::{IntoResponses, OpenApi};

/// The document as JSON.
pub(super) fn json() -> Bytes {
    // A derived document can always be serialized.
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
    // Relative to the document.
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

/// Errors of every route.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only utoipa reads it")]
enum Errors {
    /// A parameter is unknown, missing, duplicate or invalid; the message names it.
    #[response(status = 400)]
    BadData(ErrorResponse),
    /// Too many concurrent queries, here or at `VictoriaMetrics`.
    #[response(
        status = 429,
        headers(("Retry-After" = u32, description = "Seconds"))
    )]
    Busy(ErrorResponse),
    /// The response of `VictoriaMetrics` cannot be passed on.
    #[response(status = 502)]
    BadAnswer(ErrorResponse),
    /// `VictoriaMetrics` cannot be reached, does not respond in time, or is not configured.
    #[response(status = 503)]
    Unavailable(ErrorResponse),
}

/// More errors of queries.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only utoipa reads it")]
enum QueryErrors {
    /// `VictoriaMetrics` cannot evaluate the query; the message says why.
    #[response(status = 422)]
    Execution(ErrorResponse),
}

/// More errors of requests whose parameters are in the URL.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only utoipa reads it")]
enum UrlErrors {
    /// The URL is too long for the server, which sends the response itself.
    #[response(status = 414)]
    TooLong,
}

/// More errors of forms.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only utoipa reads it")]
enum FormErrors {
    /// The form did not arrive in time.
    #[response(status = 408)]
    SlowRequest(ErrorResponse),
    /// The form is longer than 64 KiB.
    #[response(status = 413)]
    TooLong(ErrorResponse),
    /// The body is not a form.
    #[response(status = 415)]
    UnsupportedMediaType(ErrorResponse),
}

#[expect(dead_code, reason = "only utoipa reads them")]
mod operations {
    use super::{
        super::{
            envelope::{ErrorResponse, Healthy, QueryResult, Services, Unhealthy},
            params::{InstantQuery, RangeQuery},
        },
        Errors, FormErrors, QueryErrors, UrlErrors,
    };

    /// Series over a time range.
    #[utoipa::path(
        get,
        path = "/query_range",
        tag = "metrics",
        params(RangeQuery),
        responses((status = 200, description = "The series", body = QueryResult), Errors, QueryErrors, UrlErrors)
    )]
    pub(super) fn query_range() {}

    /// Series over a time range; the parameters may be in a form.
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

    /// Whether `VictoriaMetrics` responds to queries.
    #[utoipa::path(
        get,
        path = "/health",
        tag = "metrics",
        responses(
            (status = 200, description = "It responds", body = Healthy),
            (status = 400, description = "This route has no parameters", body = ErrorResponse),
            (status = 503, description = "It does not respond", body = Unhealthy)
        )
    )]
    pub(super) fn health() {}
}
