//! Chooses the format and the encoding of a response, by `Accept` and `Accept-Encoding`.

use crate::{
    accept::{AcceptItem, accept_items},
    exposition::format::{Output, Syntax},
    families::names::escaping::Escaping,
    scrape::encode::Encoding,
};
use http::{
    HeaderMap,
    header::{ACCEPT, ACCEPT_ENCODING},
};
use std::cmp::Ordering::Equal;

/// The format of the response, and the escaping of its names. It is the format with the greatest weight
/// that the client names. Otherwise it is text format 0.0.4.
///
/// Between formats of the same weight, one that is named wins over one that only matches a wildcard. If
/// both are named, the first one wins. A wildcard only stands for text format 0.0.4, which every client
/// reads.
pub(crate) fn output(headers: &HeaderMap) -> Output {
    let ranges: Vec<_> = accept_items(headers, ACCEPT).filter_map(MediaRange::parse).collect();
    let offers = SYNTAXES.into_iter().filter_map(|syntax| {
        let matching = ranges.iter().enumerate().filter_map(|(at, range)| {
            let precision = range.precision(syntax)?;
            Some(Offer { precision, q: range.q, at, output: range.output(syntax) })
        });
        // The weight of a format is that of the most precise range that matches it.
        let offer = matching.max_by(|a, b| {
            (a.precision, a.q)
                .partial_cmp(&(b.precision, b.q))
                .unwrap_or(Equal)
                .then(b.at.cmp(&a.at))
        })?;
        (offer.q > 0.0 && (offer.is_named() || syntax == Syntax::Text004)).then_some(offer)
    });
    let best = offers.max_by(|a, b| {
        (a.q, a.is_named()).partial_cmp(&(b.q, b.is_named())).unwrap_or(Equal).then(b.at.cmp(&a.at))
    });
    best.map_or(Output::TEXT, |offer| offer.output)
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
    q: f32,
    item: AcceptItem<'a>,
}

/// A format that the client accepts.
struct Offer {
    precision: u8,
    q: f32,
    /// The position in `Accept`.
    at: usize,
    output: Output,
}

impl<'a> MediaRange<'a> {
    fn parse(item: AcceptItem<'a>) -> Option<Self> {
        let (kind, subtype) = item.name.split_once('/')?;
        Some(Self { kind, subtype, q: item.q, item })
    }

    /// How precisely the range names this format. `None` if it does not match.
    fn precision(&self, syntax: Syntax) -> Option<u8> {
        let (kind, subtype) = media_type(syntax);
        let version = self.item.parameter("version");
        let is_right = match (syntax, version) {
            // Clients that ask for protobuf in general would get another message or encoding than they
            // expect.
            (Syntax::Protobuf, _) => {
                self.item.parameter("proto") == Some(MESSAGE)
                    && self.item.parameter("encoding") == Some("delimited")
            }
            (Syntax::Text004, version) => [None, Some("0.0.4")].contains(&version),
            (Syntax::OpenMetrics, version) => [None, Some("1.0.0")].contains(&version),
            (Syntax::Text100, version) => version == Some("1.0.0"),
        };
        if !is_right {
            return None;
        }
        let has_kind = self.kind.eq_ignore_ascii_case(kind);
        let has_subtype = self.subtype.eq_ignore_ascii_case(subtype);
        match (self.kind, self.subtype) {
            _ if has_kind && has_subtype => Some(NAMED + u8::from(version.is_some())),
            (_, "*") if has_kind => Some(1),
            ("*", "*") => Some(0),
            _ => None,
        }
    }

    /// The format with the escaping that the item requests. Without `escaping`, or with an unknown
    /// value, it is `underscores`, as Prometheus' rules say.
    ///
    /// Text format 0.0.4 has no syntax for names in UTF-8, so there `allow-utf-8` is `underscores` too.
    fn output(&self, syntax: Syntax) -> Output {
        let requested = self.item.parameter("escaping").and_then(Escaping::named);
        let is_possible =
            |escaping: &Escaping| (syntax, *escaping) != (Syntax::Text004, Escaping::AllowUtf8);
        Output { syntax, escaping: requested.filter(is_possible).unwrap_or(Escaping::Underscores) }
    }
}

impl Offer {
    fn is_named(&self) -> bool {
        self.precision >= NAMED
    }
}

fn media_type(syntax: Syntax) -> (&'static str, &'static str) {
    match syntax {
        Syntax::Text004 | Syntax::Text100 => ("text", "plain"),
        Syntax::OpenMetrics => ("application", "openmetrics-text"),
        Syntax::Protobuf => ("application", "vnd.google.protobuf"),
    }
}

const SYNTAXES: [Syntax; Syntax::COUNT] =
    [Syntax::Text004, Syntax::Text100, Syntax::OpenMetrics, Syntax::Protobuf];
/// The protobuf message of a family.
const MESSAGE: &str = "io.prometheus.client.MetricFamily";
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

    fn output(accept: &[&'static str]) -> (Syntax, Escaping) {
        let Output { syntax, escaping } = super::output(&headers(&ACCEPT, accept));
        (syntax, escaping)
    }

    // O-01, X-04, X-14
    #[test]
    fn the_format_that_the_client_prefers_or_text() {
        use Syntax::{OpenMetrics, Text004, Text100};
        for (accept, expected) in [
            (["", ""], Text004),
            (["*/*", ""], Text004),
            (["application/openmetrics-text", ""], OpenMetrics),
            (["Application/OpenMetrics-Text ; Version=\"1.0.0\"", ""], OpenMetrics),
            (["application/openmetrics-text;version=0.0.1", ""], Text004),
            (["application/openmetrics-text;version=2.0.0", ""], Text004),
            (["application/openmetrics-text;q=0", ""], Text004),
            (["application/openmetrics-text;q=0,*/*", ""], Text004),
            (["application/openmetrics-text;q=0.5,text/plain;q=0.6", ""], Text004),
            (["application/openmetrics-text;q=0.6,text/plain;q=0.5", ""], OpenMetrics),
            (["text/plain;q=0.5", "application/openmetrics-text;q=0.6"], OpenMetrics),
            (["application/openmetrics-text,text/plain", ""], OpenMetrics),
            (["text/plain,application/openmetrics-text", ""], Text004),
            (["*/*,application/openmetrics-text", ""], OpenMetrics),
            (["*/*,application/openmetrics-text;q=0.9", ""], Text004),
            (["application/openmetrics-text;q=0.9,text/*;q=0.1", ""], OpenMetrics),
            (["application/*", ""], Text004),
            (["text/plain;q=0,application/openmetrics-text;q=0.1", ""], OpenMetrics),
            (["application/openmetrics-text;q=nonsense", ""], Text004),
            (["application/openmetrics-text;q=7", ""], Text004),
            (["application/openmetrics-text;q=nan", ""], Text004),
            ([",;,/,;q=,a/b;version", ""], Text004),
            (["text/plain;version=1.0.0", ""], Text100),
            (["text/plain;version=1.0.0;q=0", ""], Text004),
            (["text/plain;version=1.0.0,application/openmetrics-text;q=0.1", ""], Text100),
            (["text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.5", ""], Text004),
            (["text/plain;version=0.0.4;q=0.4,text/plain;version=1.0.0;q=0.5", ""], Text100),
            (["text/plain,text/plain;version=1.0.0", ""], Text004),
            (["text/*;version=1.0.0", ""], Text004),
        ] {
            assert_eq!(output(&accept).0, expected, "{accept:?}");
        }
    }

    // X-12, X-14: no other names the message of a family in its delimited encoding.
    #[test]
    fn protobuf_only_if_message_and_encoding_are_the_right_ones() {
        for (parameters, expected) in [
            ("proto=io.prometheus.client.MetricFamily;encoding=delimited", true),
            ("Encoding=\"delimited\" ; Proto=io.prometheus.client.MetricFamily;q=0.1", true),
            ("proto=io.prometheus.client.MetricFamily;encoding=text", false),
            ("proto=io.prometheus.client.MetricFamily;encoding=compact-text", false),
            ("proto=io.prometheus.client.MetricFamily", false),
            ("proto=io.prometheus.client.Metric;encoding=delimited", false),
            ("encoding=delimited", false),
            ("", false),
        ] {
            let text = format!("application/vnd.google.protobuf;{parameters}");
            let header = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(&text).unwrap())]);
            let item = accept_items(&header, ACCEPT).next().unwrap();
            let range = MediaRange::parse(item).unwrap();
            assert_eq!(range.precision(Syntax::Protobuf).is_some(), expected, "{parameters}");
        }
        let any = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("*/*,application/*"))]);
        for item in accept_items(&any, ACCEPT) {
            assert_eq!(MediaRange::parse(item).unwrap().precision(Syntax::Protobuf), None);
        }
    }

    // X-14
    #[test]
    fn the_escaping_is_that_of_the_chosen_item() {
        use Escaping::{AllowUtf8, Dots, Underscores, Values};
        use Syntax::{OpenMetrics, Text004, Text100};
        for (accept, expected) in [
            ("", (Text004, Underscores)),
            ("text/plain;version=0.0.4;escaping=allow-utf-8", (Text004, Underscores)),
            ("text/plain;version=0.0.4; escaping=values;", (Text004, Values)),
            ("text/plain;version=1.0.0;escaping=dots", (Text100, Dots)),
            ("text/plain;version=1.0.0", (Text100, Underscores)),
            ("text/plain;version=1.0.0;escaping=spam", (Text100, Underscores)),
            ("text/plain;version=1.0.0;Escaping=\"values\"", (Text100, Values)),
            ("application/openmetrics-text;escaping=allow-utf-8", (OpenMetrics, AllowUtf8)),
            (
                "application/openmetrics-text;q=0.5,text/plain;version=1.0.0;escaping=values",
                (Text100, Values),
            ),
            (
                "application/openmetrics-text,text/plain;version=1.0.0;escaping=values;q=0.5",
                (OpenMetrics, Underscores),
            ),
            (
                "application/openmetrics-text;escaping=values;q=0.5,application/openmetrics-text;escaping=allow-utf-8;q=0.6",
                (OpenMetrics, AllowUtf8),
            ),
        ] {
            assert_eq!(output(&[accept]), expected, "{accept}");
        }
    }

    // X-14
    #[test]
    fn real_scrapers_get_what_they_ask_for() {
        for (scraper, accept, expected) in SCRAPERS {
            assert_eq!(output(&[accept]), expected, "{scraper}");
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

    /// Scraper, `Accept`, and what it gets.
    const SCRAPERS: [(&str, &str, (Syntax, Escaping)); 8] = [
        (
            // `scrapeAcceptHeader` in `scrape/scrape.go` of `github.com/prometheus/prometheus`.
            "Prometheus 2.42",
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            (Syntax::OpenMetrics, Escaping::Underscores),
        ),
        (
            // `scrapeAcceptHeaderWithProtobuf`, as above.
            "Prometheus 2.42, native-histograms",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            (Syntax::Protobuf, Escaping::Underscores),
        ),
        (
            // `acceptHeader` in `scrape/scrape.go`, with `DefaultScrapeProtocols` of `config/config.go`.
            // It adds `escaping` to each protocol, so one has it twice.
            "Prometheus 3.0",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;escaping=allow-utf-8;q=0.3,*/*;q=0.2",
            (Syntax::OpenMetrics, Escaping::AllowUtf8),
        ),
        (
            // The same with `DefaultProtoFirstScrapeProtocols`.
            "Prometheus 3.0, native-histograms",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;escaping=allow-utf-8;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;escaping=allow-utf-8;q=0.2,*/*;q=0.1",
            (Syntax::Protobuf, Escaping::AllowUtf8),
        ),
        (
            // As above, in 3.5.3. Only two protocols have `escaping`.
            "Prometheus 3.5",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            (Syntax::OpenMetrics, Escaping::AllowUtf8),
        ),
        (
            "Prometheus 3.5, native-histograms",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            (Syntax::Protobuf, Escaping::Underscores),
        ),
        (
            // The same with `metric_name_escaping_scheme: values` and without OpenMetrics.
            "Prometheus 3.5, scrape_protocols: [PrometheusText1.0.0]",
            "text/plain;version=1.0.0;escaping=values;q=0.6,*/*;q=0.5",
            (Syntax::Text100, Escaping::Values),
        ),
        (
            // `lib/promscrape/client.go` of `github.com/VictoriaMetrics/VictoriaMetrics`, all versions.
            "VictoriaMetrics",
            "text/plain;version=0.0.4;q=1,*/*;q=0.1",
            (Syntax::Text004, Escaping::Underscores),
        ),
    ];
}
