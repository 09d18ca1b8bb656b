//! Reads a request: its parameters, and whether the client accepts gzip.

use super::{
    api_error::{ApiError, ApiErrorType},
    media_type::{FORM, has_media_type},
    params::Pairs,
};
use crate::accept::accepts;
use http::{
    HeaderMap, Method,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
    request::Parts,
};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::{error::Error, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Reads the parameters in the URL, and for `POST` those in the form.
pub(super) async fn pairs<B>(
    head: &Parts,
    body: B,
    allowed: &[&'static str],
    deadline: Instant,
) -> Result<Pairs, ApiError>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let query = head.uri.query().unwrap_or_default().as_bytes();
    if head.method != Method::POST {
        return Pairs::parse(&[query], allowed);
    }
    let is_form = is_form(&head.headers)?;
    let deadline = deadline.min(Instant::now() + MAX_FORM_TIME);
    let read = timeout_at(deadline, Box::pin(Limited::new(body, MAX_FORM)).collect()).await;
    let too_slow = "the form did not arrive in time";
    let form = match read.map_err(|_| ApiError::new(ApiErrorType::SlowRequest, too_slow))? {
        Ok(form) => form.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the form is longer than {MAX_FORM} bytes");
            return Err(ApiError::new(ApiErrorType::TooLong, message));
        }
        Err(_) => return Err(ApiError::bad_data("the form is incomplete")),
    };
    if !is_form && !form.is_empty() {
        return Err(not_a_form());
    }
    Pairs::parse(&[query, &form], allowed)
}

/// Whether `Content-Type` is that of a form. `false` without the header; an error for another type.
fn is_form(headers: &HeaderMap) -> Result<bool, ApiError> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(not_a_form());
    }
    if !headers.contains_key(CONTENT_TYPE) {
        return Ok(false);
    }
    match has_media_type(headers, FORM) {
        true => Ok(true),
        false => Err(not_a_form()),
    }
}

fn not_a_form() -> ApiError {
    ApiError::new(ApiErrorType::UnsupportedMediaType, format!("the body must be {FORM}"))
}

/// Whether the client accepts gzip by name. A wildcard does not count.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    accepts(headers, ACCEPT_ENCODING, "gzip")
}

/// How long a client may take to send its form. After this time it gets a 408, because it occupies
/// a connection of the server.
const MAX_FORM_TIME: Duration = Duration::from_secs(5);

/// The maximum length of a form in bytes. It is enough for the longest query with each byte
/// percent-encoded, and the other parameters.
const MAX_FORM: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::accepts_gzip;
    use http::{HeaderMap, HeaderValue, header::ACCEPT_ENCODING};

    #[test]
    fn gzip_is_for_clients_that_name_it() {
        for (accept, expected) in [
            (&[][..], false),
            (&["*"], false),
            (&["gzip"], true),
            (&["deflate, GZIP;q=0.5"], true),
            (&["br", "gzip"], true),
            (&["gzip;q=0"], false),
            (&["gzip; q=0.00, br"], false),
            (&["xgzip"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(accepts_gzip(&headers), expected, "{accept:?}");
        }
    }
}
