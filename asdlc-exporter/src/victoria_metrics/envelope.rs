//! The JSON bodies that the proxy writes, in the envelope of the Prometheus HTTP API, and their schemas.

use super::api_error::ApiError;
use crate::redact::without_addresses;
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

/// The result of a query.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only a schema: the proxy passes the response on unchanged")]
#[schema(rename_all = "camelCase")]
pub(super) struct QueryResult {
    status: Success,
    /// `true`: data is missing, because a part of the cluster did not respond.
    #[schema(required = false)]
    is_partial: bool,
    data: QueryData,
    /// Why data may be missing or wrong.
    #[schema(required = false)]
    warnings: Vec<String>,
    /// Hints about the query.
    #[schema(required = false)]
    infos: Vec<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only a schema: the proxy passes the response on unchanged")]
#[schema(rename_all = "camelCase")]
pub(super) struct QueryData {
    result_type: ResultType,
    /// Series with their points, or a single value.
    result: Vec<serde_json::Value>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only a schema: the proxy passes the response on unchanged")]
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
    completeness: Completeness,
    /// Sorted, without duplicates.
    #[schema(example = json!(["orchestrator", "workers"]))]
    data: Vec<String>,
}

/// `VictoriaMetrics` responds to queries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Healthy {
    status: Success,
    #[serde(flatten)]
    completeness: Completeness,
    data: Health,
}

/// Whether data may be missing, as `VictoriaMetrics` reports it. A complete response has none of these
/// keys.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Completeness {
    /// `true`: a part of the cluster did not respond.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    is_partial: bool,
    /// Why data may be missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
    /// Hints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    infos: Vec<String>,
}

/// A response of `VictoriaMetrics` that the proxy decodes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpstreamData<T> {
    status: Success,
    data: T,
    is_partial: Option<bool>,
    warnings: Option<Vec<String>>,
    infos: Option<Vec<String>>,
}

impl<T: DeserializeOwned> UpstreamData<T> {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let message = "the response of VictoriaMetrics does not have the expected structure";
        serde_json::from_slice(bytes).map_err(|_| ApiError::bad_response(message))
    }

    fn split(self) -> (T, Completeness) {
        let Self { status: Success::Success, data, is_partial, warnings, infos } = self;
        let clean = |texts: Option<Vec<String>>| {
            texts.unwrap_or_default().iter().map(|text| without_addresses(text)).collect()
        };
        let is_partial = is_partial.unwrap_or_default();
        (data, Completeness { is_partial, warnings: clean(warnings), infos: clean(infos) })
    }
}

impl Services {
    /// Sorts the list: the upstream does not guarantee an order.
    pub(super) fn new(response: UpstreamData<Vec<String>>) -> Self {
        let (mut data, completeness) = response.split();
        data.sort_unstable();
        data.dedup();
        Self { status: Success::Success, completeness, data }
    }
}

impl Healthy {
    pub(super) fn new(response: UpstreamData<serde::de::IgnoredAny>, latency_ms: f64) -> Self {
        let (_, completeness) = response.split();
        let data = Health { healthy: true, latency_ms };
        Self { status: Success::Success, completeness, data }
    }
}

/// `VictoriaMetrics` does not respond to queries.
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
    /// The duration of the health query.
    #[schema(minimum = 0)]
    latency_ms: f64,
}

/// An error.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorResponse {
    status: Failed,
    /// One of the values in the documentation of the proxy.
    #[schema(example = "bad_data")]
    error_type: &'static str,
    /// A message for people.
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

impl ErrorResponse {
    pub(super) fn new(error: &ApiError) -> Self {
        let ApiError { error_type, message, retry_after: _ } = error;
        let error_type = error_type.name();
        Self { status: Failed::Error, error_type, error: message.to_string() }
    }
}

impl Unhealthy {
    pub(super) fn new(error: &ApiError, latency_ms: f64) -> Self {
        let data = Health { healthy: false, latency_ms };
        let ErrorResponse { status, error_type, error } = ErrorResponse::new(error);
        Self { status, error_type, error, data }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

pub(super) fn to_json(body: &impl Serialize) -> Bytes {
    // Serializing fails only for maps whose keys are not strings, and these types have none.
    serde_json::to_vec(body).unwrap_or_default().into()
}
