//! Bodies of our own, in the envelope of the Prometheus API.

use super::{api_error::Failure, upstream_error::sanitise};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

/// The result of a query.
#[derive(ToSchema)]
#[expect(dead_code, reason = "VictoriaMetrics writes it, and it is passed on as it is")]
#[schema(rename_all = "camelCase")]
pub(super) struct QueryResult {
    status: Success,
    /// `true`: data is missing, because a part of the cluster did not answer.
    #[schema(required = false)]
    is_partial: bool,
    data: QueryData,
    /// Why data may be missing or wrong.
    #[schema(required = false)]
    warnings: Vec<String>,
    /// What is odd about the query.
    #[schema(required = false)]
    infos: Vec<String>,
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
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Services {
    status: Success,
    #[serde(flatten)]
    part: Part,
    /// Sorted, each once.
    #[schema(example = json!(["orchestrator", "workers"]))]
    data: Vec<String>,
}

/// `VictoriaMetrics` answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Healthy {
    status: Success,
    #[serde(flatten)]
    part: Part,
    data: Health,
}

/// That an answer may not be the whole, as `VictoriaMetrics` said. Absent in one that is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    /// `true`: a part of the cluster did not answer.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    is_partial: bool,
    /// Why something may be missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
    /// What is odd.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    infos: Vec<String>,
}

/// An answer of `VictoriaMetrics` that is not passed on as it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Said<T> {
    status: Success,
    data: T,
    is_partial: Option<bool>,
    warnings: Option<Vec<String>>,
    infos: Option<Vec<String>>,
}

impl<T: DeserializeOwned> Said<T> {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let refused = |_| Failure::bad_answer("VictoriaMetrics did not answer what it was asked");
        serde_json::from_slice(bytes).map_err(refused)
    }

    /// The data, and whether it is all there is.
    fn split(self) -> (T, Part) {
        let Self { status: Success::Success, data, is_partial, warnings, infos } = self;
        let clean = |texts: Option<Vec<String>>| {
            texts.unwrap_or_default().iter().map(|text| sanitise(text)).collect()
        };
        let is_partial = is_partial.unwrap_or_default();
        (data, Part { is_partial, warnings: clean(warnings), infos: clean(infos) })
    }
}

impl Services {
    /// The list in order, as no version of the upstream promises.
    pub(super) fn new(said: Said<Vec<String>>) -> Self {
        let (mut data, part) = said.split();
        data.sort_unstable();
        data.dedup();
        Self { status: Success::Success, part, data }
    }
}

impl Healthy {
    pub(super) fn new(said: Said<serde::de::IgnoredAny>, latency_ms: f64) -> Self {
        let (_, part) = said.split();
        Self { status: Success::Success, part, data: Health { healthy: true, latency_ms } }
    }
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
    healthy: bool,
    /// How long it took to find out.
    #[schema(minimum = 0)]
    latency_ms: f64,
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
    pub(super) fn new(failure: &Failure, latency_ms: f64) -> Self {
        let data = Health { healthy: false, latency_ms };
        let ErrorAnswer { status, error_type, error } = ErrorAnswer::new(failure);
        Self { status, error_type, error, data }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

pub(super) fn to_json(answer: &impl Serialize) -> Bytes {
    // None of ours has a map whose keys are no strings, which is what can fail.
    serde_json::to_vec(answer).unwrap_or_default().into()
}
