//! The header `Content-Type` of an exposition.

use crate::{
    exposition::format::{Output, Syntax},
    families::names::escaping::Escaping,
};
use http::HeaderValue;

/// The media type, the version and the escaping.
///
/// Prometheus' rules for content negotiation require `escaping` "for text formats version 1.0.0 and above",
/// and Prometheus' own clients write it for protobuf too. Text format 0.0.4 has it only for `dots` and
/// `values`. Otherwise its names always have `underscores`, as scrapers of this format expect.
pub(crate) fn content_type(Output { syntax, escaping }: Output) -> HeaderValue {
    macro_rules! with_escaping {
        ($media_type:literal) => {
            match escaping {
                Escaping::AllowUtf8 => concat!($media_type, "; escaping=allow-utf-8"),
                Escaping::Underscores => concat!($media_type, "; escaping=underscores"),
                Escaping::Dots => concat!($media_type, "; escaping=dots"),
                Escaping::Values => concat!($media_type, "; escaping=values"),
            }
        };
    }
    HeaderValue::from_static(match (syntax, escaping) {
        (Syntax::Text004, Escaping::AllowUtf8 | Escaping::Underscores) => {
            "text/plain; version=0.0.4; charset=utf-8"
        }
        (Syntax::Text004, _) => with_escaping!("text/plain; version=0.0.4; charset=utf-8"),
        (Syntax::Text100, _) => with_escaping!("text/plain; version=1.0.0; charset=utf-8"),
        (Syntax::OpenMetrics, _) => {
            with_escaping!("application/openmetrics-text; version=1.0.0; charset=utf-8")
        }
        (Syntax::Protobuf, _) => with_escaping!(
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // X-14, C-85
    #[test]
    fn the_content_type_says_the_escaping() {
        for (syntax, beginning) in [
            (Syntax::Text004, "text/plain; version=0.0.4; charset=utf-8"),
            (Syntax::Text100, "text/plain; version=1.0.0; charset=utf-8"),
            (Syntax::OpenMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
            (
                Syntax::Protobuf,
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            ),
        ] {
            for escaping in Escaping::ALL {
                let is_silent = syntax == Syntax::Text004
                    && matches!(escaping, Escaping::AllowUtf8 | Escaping::Underscores);
                let expected = match is_silent {
                    true => beginning.to_owned(),
                    false => format!("{beginning}; escaping={}", escaping.as_str()),
                };
                assert_eq!(content_type(Output { syntax, escaping }), expected);
            }
        }
    }
}
