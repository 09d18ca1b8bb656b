//! What is read of a request: its parameters, and which encodings the client takes.

use super::{
    api_error::{Failure, Kind},
    params::Pairs,
};
use http::{
    HeaderMap, Method,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
    request::Parts,
};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::{error::Error, time::Duration};
use tokio::time::{Instant, timeout_at};

/// The parameters in the URL, and for `POST` in the form.
pub(super) async fn pairs<B>(
    head: &Parts,
    body: B,
    allowed: &[&'static str],
    deadline: Instant,
) -> Result<Pairs, Failure>
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
    let read =
        read.map_err(|_| Failure::new(Kind::SlowRequest, "the form did not come in time"))?;
    let form = match read {
        Ok(form) => form.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the form is longer than {MAX_FORM} bytes");
            return Err(Failure::new(Kind::TooLong, message));
        }
        Err(_) => return Err(Failure::bad_data("the form did not come to its end")),
    };
    if !is_form && !form.is_empty() {
        return Err(not_a_form());
    }
    Pairs::parse(&[query, &form], allowed)
}

/// Whether the body is said to be a form; `false` if it is said to be nothing.
fn is_form(headers: &HeaderMap) -> Result<bool, Failure> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(not_a_form());
    }
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Ok(false) };
    let kind = kind.to_str().ok().and_then(|kind| kind.split(';').next());
    match kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM)) {
        true => Ok(true),
        false => Err(not_a_form()),
    }
}

fn not_a_form() -> Failure {
    Failure::new(Kind::UnsupportedMediaType, format!("the body has to be {FORM}"))
}

/// Whether gzip is named, and not with `q=0`. A wildcard does not ask for it.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let refused = parts.any(|part| {
            let q = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            q.is_some_and(|q| q.parse() == Ok(0.0))
        });
        named && !refused
    })
}

const FORM: &str = "application/x-www-form-urlencoded";

/// Less than most scrape timeouts: a client that does not send its form has a connection of the server
/// for no longer.
const MAX_FORM_TIME: Duration = Duration::from_secs(5);

/// The longest query, encoded byte by byte, and the rest.
const MAX_FORM: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::accepts_gzip;
    use http::{HeaderMap, HeaderValue, header::ACCEPT_ENCODING};

    #[test]
    fn gzip_is_for_those_who_name_it() {
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
