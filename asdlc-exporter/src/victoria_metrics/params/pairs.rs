//! Decodes parameters. Unknown and duplicate parameters are errors.

use crate::victoria_metrics::api_error::ApiError;
use percent_encoding::percent_decode_str;

/// Decoded parameters. Each name is allowed, and occurs once.
#[derive(Debug, Default)]
pub(in crate::victoria_metrics) struct Pairs(Vec<(&'static str, String)>);

impl Pairs {
    /// Parses `application/x-www-form-urlencoded` texts: the query of the URL, and the body.
    ///
    /// # Errors
    ///
    /// When a parameter is not in `allowed`, is duplicate, or is not percent-encoded UTF-8.
    pub(in crate::victoria_metrics) fn parse(
        texts: &[&[u8]],
        allowed: &[&'static str],
    ) -> Result<Self, ApiError> {
        let mut pairs = Self::default();
        for text in texts {
            for part in text.split(|byte| *byte == b'&').filter(|part| !part.is_empty()) {
                let at = part.iter().position(|byte| *byte == b'=');
                let (name, value) =
                    at.map_or((part, &b""[..]), |at| (&part[..at], &part[at + 1..]));
                let name = decode(name)?;
                let Some(known) = allowed.iter().find(|known| **known == name) else {
                    return Err(unknown(&name, allowed));
                };
                if pairs.0.iter().any(|(other, _)| other == known) {
                    return Err(ApiError::bad_data(format!("duplicate parameter \"{known}\"")));
                }
                pairs.0.push((known, decode(value)?));
            }
        }
        Ok(pairs)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn require(&mut self, name: &str) -> Result<String, ApiError> {
        let missing = || ApiError::bad_data(format!("missing parameter \"{name}\""));
        self.take(name).ok_or_else(missing)
    }
}

fn decode(text: &[u8]) -> Result<String, ApiError> {
    let malformed = || ApiError::bad_data("invalid parameter: must be percent-encoded UTF-8");
    let text = std::str::from_utf8(text).map_err(|_| malformed())?.replace('+', " ");
    let mut escapes = text.split('%').skip(1).map(str::as_bytes);
    let is_complete =
        |escape: &[u8]| escape.iter().take(2).filter(|b| b.is_ascii_hexdigit()).count() == 2;
    if !escapes.all(is_complete) {
        return Err(malformed());
    }
    let decoded = percent_decode_str(&text).decode_utf8().map_err(|_| malformed())?;
    Ok(decoded.into_owned())
}

fn unknown(name: &str, allowed: &[&str]) -> ApiError {
    let allowed = match allowed {
        [] => "there are no parameters".to_owned(),
        names => format!("must be one of {}", names.join(", ")),
    };
    ApiError::bad_data(format!("unknown parameter {}: {allowed}", quoted(name)))
}

/// The text in quotes, shortened and on one line.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((at, _)) => format!("\"{}…\"", text[..at].escape_debug()),
        None => format!("\"{}\"", text.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALLOWED: &[&str] = &["query", "time"];

    fn message(texts: &[&[u8]]) -> String {
        Pairs::parse(texts, ALLOWED).unwrap_err().message.into_owned()
    }

    //
    #[test]
    fn unknown_duplicate_and_malformed_parameters_are_refused_by_name() {
        let allowed = "must be one of query, time";
        for name in ["extra_label", "extra_filters[]", "nocache", "trace", "Query", "query "] {
            let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
            let text = format!("query=up&{encoded}=1");
            assert_eq!(
                message(&[text.as_bytes()]),
                format!("unknown parameter \"{name}\": {allowed}")
            );
        }
        for texts in [&["query=1&query=1"][..], &["query=1", "query=2"], &["query=1&qu%65ry=2"]] {
            let texts: Vec<_> = texts.iter().map(|text| text.as_bytes()).collect();
            assert_eq!(message(&texts), "duplicate parameter \"query\"");
        }
        for text in
            [&b"query=%"[..], b"query=%4", b"query=%zz", b"query=%ff", b"query=\xff", b"%=1"]
        {
            let expected = "invalid parameter: must be percent-encoded UTF-8";
            assert_eq!(message(&[text]), expected, "{text:?}");
        }
        assert_eq!(
            Pairs::parse(&[b"x=1"], &[]).unwrap_err().message,
            "unknown parameter \"x\": there are no parameters"
        );
    }

    proptest! {
        #[test]
        fn encoded_parameters_are_decoded(query in any::<String>(), time in any::<String>()) {
            let text = form_urlencoded::Serializer::new(String::new())
                .append_pair("query", &query)
                .append_pair("time", &time)
                .finish();
            let mut pairs = Pairs::parse(&[text.as_bytes()], ALLOWED).unwrap();
            prop_assert_eq!(pairs.take("query"), Some(query));
            prop_assert_eq!(pairs.take("time"), Some(time));
        }

        //
        #[test]
        fn only_allowed_parameters_are_accepted_and_each_once(
            text in prop_oneof![
                any::<Vec<u8>>(),
                "(query|time|trace|q%75ery|=|&|%|%0a|\\+|x){0,12}".prop_map(String::into_bytes),
            ],
        ) {
            if let Ok(Pairs(pairs)) = Pairs::parse(&[&text], ALLOWED) {
                prop_assert!(pairs.len() <= ALLOWED.len());
                let mut names: Vec<_> = pairs.iter().map(|(name, _)| name).collect();
                names.sort();
                names.dedup();
                prop_assert_eq!(names.len(), pairs.len());
            }
        }
    }
}
