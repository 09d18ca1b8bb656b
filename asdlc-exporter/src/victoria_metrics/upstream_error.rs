//! Error responses of `VictoriaMetrics`. Clients get its message about a query. Other messages are only
//! logged.

use super::{
    api_error::{ApiError, ApiErrorType},
    connection_pool::PooledBody,
    media_type::{JSON, has_media_type},
};
use crate::redact::without_addresses;
use flate2::read::GzDecoder;
use http::{HeaderMap, StatusCode, header::CONTENT_ENCODING};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use std::{io::Read as _, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Reads the body of an error response: as much as arrives within [`MAX_TIME`], and at most
/// [`MAX_BODY`] bytes.
pub(super) async fn read_body(headers: &HeaderMap, mut body: PooledBody) -> Vec<u8> {
    let deadline = Instant::now() + MAX_TIME;
    let mut read = Vec::new();
    // Without this deadline, an error response whose body never ends would be reported as a timeout.
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        read.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| bytes));
        if read.len() > MAX_BODY {
            break;
        }
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip") {
        read = decompress(&read);
    }
    read.truncate(MAX_BODY);
    read
}

/// Decompresses gzip, up to the first error and to [`MAX_BODY`] bytes.
pub(super) fn decompress(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    // On an error, `text` has the bytes that were decompressed before it.
    let _ = GzDecoder::new(bytes).take(MAX_BODY as u64).read_to_end(&mut text);
    text
}

/// The message of `VictoriaMetrics` about the query. `None` when the body is not in its format: a proxy
/// in front of it, such as vmauth or nginx, also responds with 400.
pub(super) fn query_error(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<ApiError> {
    if !has_media_type(headers, JSON) {
        return None;
    }
    let UpstreamError { status: ErrorStatus::Error, error_type: _, error } =
        serde_json::from_slice(body).ok()?;
    let error_type = match status {
        StatusCode::BAD_REQUEST => ApiErrorType::BadData,
        other => ApiErrorType::Execution(other),
    };
    Some(ApiError::new(error_type, without_addresses(&error)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpstreamError {
    status: ErrorStatus,
    #[expect(dead_code, reason = "the format requires it, and nothing reads it")]
    error_type: String,
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ErrorStatus {
    Error,
}

/// A message can contain the longest query twice, with each byte escaped.
const MAX_BODY: usize = 256 << 10;

const MAX_TIME: Duration = Duration::from_secs(2);
