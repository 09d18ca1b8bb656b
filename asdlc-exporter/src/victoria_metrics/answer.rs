//! Bodies of our own, in the envelope of the Prometheus API.

use super::failure::Failure;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The result of a query.
#[derive(ToSchema)]
#[expect(dead_code, reason = "VictoriaMetrics writes it, and it is passed on as it is")]
pub(super) struct QueryResult {
    status: Success,
    data: QueryData,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "VictoriaMetrics writes it, and it is passed on as it is")]
#[schema(rename_all = "camelCase")]
pub(super) struct QueryData {
    result_type: ResultType,
    /// Series with their points, or one value.
    result: Vec<serde_json::Value>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "VictoriaMetrics writes it, and it is passed on as it is")]
#[schema(rename_all = "lowercase")]
pub(super) enum ResultType {
    Matrix,
    Vector,
    Scalar,
    String,
}

/// The services that have metrics.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Services {
    pub(super) status: Success,
    /// Sorted, each once.
    #[schema(example = json!(["orchestrator", "workers"]))]
    pub(super) data: Vec<String>,
}

/// `VictoriaMetrics` answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Healthy {
    pub(super) status: Success,
    pub(super) data: Health,
}

/// `VictoriaMetrics` does not.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unhealthy {
    status: Failed,
    #[schema(example = "unreachable")]
    error_type: &'static str,
    error: String,
    data: Health,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    pub(super) healthy: bool,
    /// How long it took to find out.
    #[schema(minimum = 0)]
    pub(super) latency_ms: f64,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorAnswer {
    status: Failed,
    /// One of the words in the documentation of the proxy.
    #[schema(example = "bad_data")]
    error_type: &'static str,
    /// For people.
    error: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Success {
    Success,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Failed {
    Error,
}

impl ErrorAnswer {
    pub(super) fn new(failure: &Failure) -> Self {
        let Failure { kind, message, retry_after: _ } = failure;
        Self { status: Failed::Error, error_type: kind.name(), error: message.to_string() }
    }
}

impl Unhealthy {
    pub(super) fn new(failure: &Failure, data: Health) -> Self {
        let ErrorAnswer { status, error_type, error } = ErrorAnswer::new(failure);
        Self { status, error_type, error, data }
    }
}

pub(super) fn to_json(answer: &impl Serialize) -> Bytes {
    // None of ours has a map whose keys are no strings, which is what can fail.
    serde_json::to_vec(answer).unwrap_or_default().into()
}
