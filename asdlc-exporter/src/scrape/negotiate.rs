//! Which format and which encoding a client prefers, by the headers `Accept` and
//! `Accept-Encoding`. What they say is only ever compared with what there is.

use crate::families::model::Format;
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, ACCEPT_ENCODING, AsHeaderName},
};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    Identity,
    #[cfg(feature = "gzip")]
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// The format that the client likes best: text unless it names `OpenMetrics` 1.0.0 and likes it
/// better.
pub(crate) fn format(headers: &HeaderMap) -> Format {
    let ranges: Vec<Range<'_>> = items(headers, ACCEPT).filter_map(Range::parse).collect();
    let best = |kind, subtype, versions| {
        let matching = ranges.iter().enumerate().filter_map(move |(at, range)| {
            range.matches(kind, subtype, versions).map(|precision| (precision, range.q, at))
        });
        // The most precise range says how much a format is liked, whatever the others say.
        matching.max_by(|(a, _, x), (b, _, y)| (a, y).cmp(&(b, x)))
    };
    let text = best("text", "plain", [None, Some("0.0.4")]);
    let open = best("application", "openmetrics-text", [None, Some("1.0.0")]);
    match (open, text) {
        (Some((_, q, _)), _) if q <= 0.0 => Format::Text,
        (Some((open, _, _)), None) if open >= NAMED => Format::OpenMetrics,
        // A client that likes both is asked what it named first, but a wildcard names nothing.
        (Some((open, q, at)), Some((text, other_q, other_at)))
            if open >= NAMED
                && (q > other_q || (q == other_q && (text < NAMED || at < other_at))) =>
        {
            Format::OpenMetrics
        }
        _ => Format::Text,
    }
}

/// The encoding that the client likes best; of those it likes the same, the smallest.
pub(crate) fn encoding(headers: &HeaderMap) -> Encoding {
    let accepted: Vec<(&str, f32)> = items(headers, ACCEPT_ENCODING)
        .map(|item| {
            let mut parts = item.split(';').map(str::trim);
            (parts.next().unwrap_or_default(), q(parts))
        })
        .collect();
    let q_of = |names: &[&str]| {
        let named = |name: &str| accepted.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        names.iter().find_map(|name| named(name)).or_else(|| named("*")).map(|(_, q)| *q)
    };
    // Not named, no encoding is always possible but never preferred.
    let identity = accepted.iter().find(|(n, _)| n.eq_ignore_ascii_case("identity"));
    let mut best = (Encoding::Identity, identity.map_or(0.0, |(_, q)| *q));
    for (encoding, names) in ENCODINGS {
        if let Some(q) = q_of(names)
            && q > 0.0
            && (q > best.1 || (q == best.1 && best.0 == Encoding::Identity))
        {
            best = (*encoding, q);
        }
    }
    best.0
}

/// One item of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    version: Option<&'a str>,
    q: f32,
}

impl<'a> Range<'a> {
    fn parse(item: &'a str) -> Option<Self> {
        let mut parts = item.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let version = parts.clone().find_map(|part| parameter(part, "version"));
        Some(Self { kind, subtype, version, q: q(parts) })
    }

    /// How precisely the range names this media type; `None` when it is another.
    fn matches(&self, kind: &str, subtype: &str, versions: [Option<&str>; 2]) -> Option<u8> {
        if !versions.contains(&self.version) {
            return None;
        }
        let Self { kind: k, subtype: s, version, q: _ } = self;
        match (k.eq_ignore_ascii_case(kind), s.eq_ignore_ascii_case(subtype)) {
            (true, true) => Some(NAMED + u8::from(version.is_some())),
            (true, false) if *s == "*" => Some(1),
            (false, _) if *k == "*" && *s == "*" => Some(0),
            _ => None,
        }
    }
}

/// The items of a header that lists some, in whatever number of lines.
pub(crate) fn items(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).iter().filter_map(|value| HeaderValue::to_str(value).ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// The weight among the parameters: 1 if there is none, 0 if it is nonsense.
fn q<'a>(mut parameters: impl Iterator<Item = &'a str>) -> f32 {
    parameters
        .find_map(|part| parameter(part, "q"))
        .map_or(1.0, |q| q.parse().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0))
}

fn parameter<'a>(part: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = part.split_once('=')?;
    key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
}

/// The precision of a range without `*`.
const NAMED: u8 = 2;

/// What there is, the smallest first, and what it is called.
const ENCODINGS: &[(Encoding, &[&str])] = &[
    #[cfg(feature = "zstd")]
    (Encoding::Zstd, &["zstd"]),
    #[cfg(feature = "gzip")]
    (Encoding::Gzip, &["gzip", "x-gzip"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderName;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    // O-01, X-04
    #[test]
    fn text_unless_the_client_likes_openmetrics_better() {
        use Format::{OpenMetrics, Text};
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (["", ""], Text),
            (["*/*", ""], Text),
            (["text/plain;version=0.0.4;q=1,*/*;q=0.1", ""], Text),
            ([prometheus_2, ""], OpenMetrics),
            ([prometheus_3, ""], OpenMetrics),
            (["application/openmetrics-text", ""], OpenMetrics),
            (["Application/OpenMetrics-Text ; Version=\"1.0.0\"", ""], OpenMetrics),
            (["application/openmetrics-text;version=0.0.1", ""], Text),
            (["application/openmetrics-text;version=2.0.0", ""], Text),
            (["application/openmetrics-text;q=0", ""], Text),
            (["application/openmetrics-text;q=0,*/*", ""], Text),
            (["application/openmetrics-text;q=0.5,text/plain;q=0.6", ""], Text),
            (["application/openmetrics-text;q=0.6,text/plain;q=0.5", ""], OpenMetrics),
            (["text/plain;q=0.5", "application/openmetrics-text;q=0.6"], OpenMetrics),
            (["application/openmetrics-text,text/plain", ""], OpenMetrics),
            (["text/plain,application/openmetrics-text", ""], Text),
            (["*/*,application/openmetrics-text", ""], OpenMetrics),
            (["*/*,application/openmetrics-text;q=0.9", ""], Text),
            (["application/openmetrics-text;q=0.9,text/*;q=0.1", ""], OpenMetrics),
            (["application/*", ""], Text),
            (["text/plain;q=0,application/openmetrics-text;q=0.1", ""], OpenMetrics),
            (["text/plain;version=1.0.0,application/openmetrics-text;q=0.1", ""], OpenMetrics),
            (["application/openmetrics-text;q=nonsense", ""], Text),
            (["application/openmetrics-text;q=7", ""], Text),
            (["application/openmetrics-text;q=nan", ""], Text),
            ([",;,/,;q=,a/b;version", ""], Text),
        ] {
            assert_eq!(format(&headers(&ACCEPT, &accept)), expected, "{accept:?}");
        }
    }

    // X-04
    #[cfg(all(feature = "gzip", feature = "zstd"))]
    #[test]
    fn compressed_only_when_the_client_takes_it() {
        use Encoding::{Gzip, Identity, Zstd};
        for (accept, expected) in [
            ("", Identity),
            ("gzip", Gzip),
            ("GZIP", Gzip),
            ("x-gzip", Gzip),
            ("zstd", Zstd),
            ("gzip, deflate, br, zstd", Zstd),
            ("gzip;q=1.0, zstd;q=0.9", Gzip),
            ("gzip;q=0", Identity),
            ("gzip;q=0, *", Zstd),
            ("*", Zstd),
            ("*;q=0", Identity),
            ("identity", Identity),
            ("identity, gzip;q=0.5", Identity),
            ("identity;q=0.5, gzip", Gzip),
            ("identity, gzip", Gzip),
            ("deflate, br", Identity),
            ("identity;q=0", Identity),
            ("gzip;q=x", Identity),
        ] {
            assert_eq!(encoding(&headers(&ACCEPT_ENCODING, &[accept])), expected, "{accept}");
        }
    }
}
