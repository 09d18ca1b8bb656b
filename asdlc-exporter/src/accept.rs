//! Reads the headers `Accept` and `Accept-Encoding`: lists of items with an optional weight `q`.

use http::{HeaderMap, HeaderValue, header::AsHeaderName};

/// One item of the list, for example `text/plain;version=0.0.4;q=0.5`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AcceptItem<'a> {
    /// The part before the parameters: `text/plain`, `gzip`, `*`.
    pub(crate) name: &'a str,
    /// The weight, 0 to 1. Without `q` it is 1. If `q` is not a number from 0 to 1, it is 0.
    pub(crate) q: f32,
    parameters: &'a str,
}

impl<'a> AcceptItem<'a> {
    fn parse(item: &'a str) -> Self {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let q = parameter(parameters, "q")
            .map_or(1.0, |q| q.parse().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0));
        Self { name: name.trim(), q, parameters }
    }

    /// The value of a parameter, without quotes.
    pub(crate) fn parameter(&self, key: &str) -> Option<&'a str> {
        parameter(self.parameters, key)
    }

    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The items of `Accept` or `Accept-Encoding`.
pub(crate) fn accept_items(
    headers: &HeaderMap,
    header: impl AsHeaderName,
) -> impl Iterator<Item = AcceptItem<'_>> {
    list_items(headers, header).map(AcceptItem::parse)
}

/// Whether `Accept` or `Accept-Encoding` names exactly this media type or encoding with a weight
/// above 0. Wildcards do not count.
#[cfg(any(feature = "health", feature = "victoria-metrics"))]
pub(crate) fn accepts(headers: &HeaderMap, header: impl AsHeaderName, name: &str) -> bool {
    accept_items(headers, header).any(|item| item.is_named(name) && item.q > 0.0)
}

/// The items of a header whose value is a comma-separated list. The header may occur several times.
pub(crate) fn list_items(
    headers: &HeaderMap,
    header: impl AsHeaderName,
) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header).iter().filter_map(|value| HeaderValue::to_str(value).ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

fn parameter<'a>(parameters: &'a str, key: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|parameter| {
        let (found, value) = parameter.split_once('=')?;
        found.trim().eq_ignore_ascii_case(key).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::ACCEPT;

    //
    #[test]
    fn an_item_has_a_name_parameters_and_a_weight() {
        for (item, name, q, version) in [
            ("gzip", "gzip", 1.0, None),
            ("gzip;q=0.5", "gzip", 0.5, None),
            (" gzip ; Q = \"0.5\" ", "gzip", 0.5, None),
            ("text/plain; Version=\"0.0.4\";q=0", "text/plain", 0.0, Some("0.0.4")),
            ("a;version", "a", 1.0, None),
            ("a;q=", "a", 0.0, None),
            ("a;q=7", "a", 0.0, None),
            ("a;q=nan", "a", 0.0, None),
            (";q=0.25", "", 0.25, None),
        ] {
            let parsed = AcceptItem::parse(item);
            assert_eq!((parsed.name, parsed.q), (name, q), "{item}");
            assert_eq!(parsed.parameter("version"), version, "{item}");
        }
    }

    #[test]
    fn a_list_may_span_several_headers() {
        let headers: HeaderMap = ["a, b;q=0.5,", ",c"]
            .map(|value| (ACCEPT, HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        assert_eq!(list_items(&headers, ACCEPT).collect::<Vec<_>>(), ["a", "b;q=0.5", "c"]);
    }

    #[cfg(any(feature = "health", feature = "victoria-metrics"))]
    #[test]
    fn only_a_named_item_with_a_weight_is_accepted() {
        for (value, expected) in
            [("x, GZIP;q=0.5", true), ("gzip;q=0.0", false), ("*", false), ("xgzip", false)]
        {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))]);
            assert_eq!(accepts(&headers, ACCEPT, "gzip"), expected, "{value}");
        }
    }
}
