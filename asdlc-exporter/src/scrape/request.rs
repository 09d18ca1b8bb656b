//! Reads the HTTP request of a scrape.

use crate::{
    accept::list_items,
    exposition::{format::Output, render::Query},
    scrape::{encode::Encoding, negotiate},
};
use http::{HeaderMap, Method, Uri};
use std::time::Duration;

/// What a scrape requests.
#[derive(Clone, Debug)]
pub(crate) struct ScrapeRequest {
    pub(crate) query: Query,
    pub(crate) encoding: Encoding,
    pub(crate) is_head: bool,
    /// How long the client waits for the response, minus the time to send it.
    pub(crate) timeout: Option<Duration>,
}

impl ScrapeRequest {
    /// `None` if the method is not allowed.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let is_head = method == Method::HEAD;
        (is_head || method == Method::GET).then(|| Self {
            query: Query { output: negotiate::output(headers), names: names(uri) },
            encoding: negotiate::encoding(headers),
            is_head,
            timeout: timeout(headers),
        })
    }

    pub(crate) fn output(&self) -> Output {
        self.query.output
    }
}

/// The values of `name[]`, sorted and without duplicates, so that equal sets are equal queries.
fn names(uri: &Uri) -> Vec<String> {
    let mut names: Vec<_> = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .filter(|(key, _)| key == "name[]")
        .map(|(_, value)| value.into_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// How long the client waits for the response, minus the time to send it.
///
/// If there are several values, the smallest applies. A value is ignored if it is not a number, is
/// less than a millisecond or is too large for a [`Duration`].
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let seconds = list_items(headers, SCRAPE_TIMEOUT).filter_map(|item| item.parse().ok());
    let timeouts = seconds.filter_map(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let timeout = timeouts.filter(|timeout| *timeout >= SHORTEST).min()?;
    Some(timeout - MARGIN.min(timeout / 5))
}

const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";
const MARGIN: Duration = Duration::from_millis(500);
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    //
    #[test]
    fn the_timeout_leaves_time_to_send_the_response() {
        for (value, expected) in [
            ("10", Some(9_500)),
            ("10.000000", Some(9_500)),
            ("2.5", Some(2_000)),
            ("1", Some(800)),
            ("0.1", Some(80)),
            (" 1 ", Some(800)),
            ("0", None),
            ("-1", None),
            ("nan", None),
            ("inf", None),
            ("1e300", None),
            ("", None),
            ("1s", None),
            // F-12
            ("0.0009", None),
            ("1e-300", None),
            ("0.02", Some(16)),
            ("5, 1", Some(800)),
            ("0, 1, 1e300", Some(800)),
        ] {
            let headers = HeaderMap::from_iter([(
                SCRAPE_TIMEOUT.parse().unwrap(),
                HeaderValue::from_static(value),
            )]);
            assert_eq!(timeout(&headers).map(|t| t.as_millis()), expected, "{value}");
        }
        // F-12, a neighbour
        let several = ["x", "10", "1", "-1"].map(HeaderValue::from_static);
        let name = || SCRAPE_TIMEOUT.parse::<http::HeaderName>().unwrap();
        let headers: HeaderMap = several.into_iter().map(|value| (name(), value)).collect();
        assert_eq!(timeout(&headers), Some(Duration::from_millis(800)));
        assert_eq!(timeout(&HeaderMap::new()), None);
    }

    //
    #[test]
    fn names_are_decoded_and_sorted() {
        for (uri, expected) in [
            ("/", [].as_slice()),
            ("/?", &[]),
            ("/?name=x&names[]=y&name[]", &[""]),
            ("/?name[]=b&name%5B%5D=a&name[]=b", &["a", "b"]),
            ("/?name[]=a%20b+c%FF", &["a b c\u{fffd}"]),
        ] {
            assert_eq!(names(&uri.parse().unwrap()), expected, "{uri}");
        }
    }
}
