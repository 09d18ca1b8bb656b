//! Chooses the format and the encoding of a response, by `Accept` and `Accept-Encoding`.

use crate::{
    accept::{AcceptItem, accept_items},
    exposition::format::Format,
    scrape::encode::Encoding,
};
use http::{
    HeaderMap,
    header::{ACCEPT, ACCEPT_ENCODING},
};

/// The format of the response. It is `OpenMetrics` if the client names it, with version 1.0.0 or
/// without a version, and prefers it. Otherwise it is text.
pub(crate) fn format(headers: &HeaderMap) -> Format {
    let ranges: Vec<_> = accept_items(headers, ACCEPT).filter_map(MediaRange::parse).collect();
    // The weight of a format is that of the most precise range that matches it.
    let best = |kind, subtype, versions| {
        let matching = ranges.iter().enumerate().filter_map(move |(at, range)| {
            range.precision(kind, subtype, versions).map(|precision| (precision, range.q, at))
        });
        matching.max_by(|(a, _, x), (b, _, y)| (a, y).cmp(&(b, x)))
    };
    let text = best("text", "plain", [None, Some("0.0.4")]);
    let Some((open_precision, open_q, open_at)) =
        best("application", "openmetrics-text", [None, Some("1.0.0")])
    else {
        return Format::Text;
    };
    // A wildcard does not name `OpenMetrics`.
    if open_q <= 0.0 || open_precision < NAMED {
        return Format::Text;
    }
    let is_preferred = text.is_none_or(|(text_precision, text_q, text_at)| {
        // If both have the same weight, a format that is named wins over one that only matches a
        // wildcard. If both are named, the first one wins.
        open_q > text_q || (open_q == text_q && (text_precision < NAMED || open_at < text_at))
    });
    if is_preferred { Format::OpenMetrics } else { Format::Text }
}

/// The encoding that the client prefers. If several have the same weight, the one that compresses
/// best.
///
/// An uncompressed response is always acceptable. It is chosen only if the client prefers it, or
/// accepts no encoding that this crate supports.
pub(crate) fn encoding(headers: &HeaderMap) -> Encoding {
    let accepted: Vec<_> = accept_items(headers, ACCEPT_ENCODING).collect();
    let named = |name: &str| accepted.iter().find(|item| item.is_named(name)).map(|item| item.q);
    let mut best = (Encoding::Identity, named("identity").unwrap_or(0.0));
    for (encoding, names) in ENCODINGS {
        let q = names.iter().find_map(|name| named(name)).or_else(|| named("*")).unwrap_or(0.0);
        let is_tie = q == best.1 && best.0 == Encoding::Identity;
        if q > 0.0 && (q > best.1 || is_tie) {
            best = (*encoding, q);
        }
    }
    best.0
}

/// One item of `Accept`.
struct MediaRange<'a> {
    kind: &'a str,
    subtype: &'a str,
    version: Option<&'a str>,
    q: f32,
}

impl<'a> MediaRange<'a> {
    fn parse(item: AcceptItem<'a>) -> Option<Self> {
        let (kind, subtype) = item.name.split_once('/')?;
        Some(Self { kind, subtype, version: item.parameter("version"), q: item.q })
    }

    /// How precisely the range names this media type. `None` if it does not match.
    fn precision(&self, kind: &str, subtype: &str, versions: [Option<&str>; 2]) -> Option<u8> {
        if !versions.contains(&self.version) {
            return None;
        }
        let has_kind = self.kind.eq_ignore_ascii_case(kind);
        let has_subtype = self.subtype.eq_ignore_ascii_case(subtype);
        match (self.kind, self.subtype) {
            _ if has_kind && has_subtype => Some(NAMED + u8::from(self.version.is_some())),
            (_, "*") if has_kind => Some(1),
            ("*", "*") => Some(0),
            _ => None,
        }
    }
}

/// The precision of a range without `*`.
const NAMED: u8 = 2;

/// The supported encodings and their names. The one that compresses best is the first.
const ENCODINGS: &[(Encoding, &[&str])] = &[
    #[cfg(feature = "zstd")]
    (Encoding::Zstd, &["zstd"]),
    #[cfg(feature = "gzip")]
    (Encoding::Gzip, &["gzip", "x-gzip"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderName, HeaderValue};

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    // O-01, X-04
    #[test]
    fn text_unless_the_client_prefers_openmetrics() {
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
    fn compressed_only_if_the_client_accepts_it() {
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
