use crate::victoria_metrics::api_error::Failure;
use percent_encoding::percent_decode_str;

/// Parameters as they were sent, each of them known and there once.
#[derive(Debug, Default)]
pub(in crate::victoria_metrics) struct Pairs(Vec<(&'static str, String)>);

impl Pairs {
    /// Reads `application/x-www-form-urlencoded` texts: of the URL, and of the body.
    ///
    /// # Errors
    ///
    /// When a parameter is not in `allowed`, is there twice, or is not encoded UTF-8.
    pub(in crate::victoria_metrics) fn parse(
        texts: &[&[u8]],
        allowed: &[&'static str],
    ) -> Result<Self, Failure> {
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
                    return Err(Failure::bad_data(format!("parameter `{known}` is given twice")));
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

    pub(super) fn require(&mut self, name: &str) -> Result<String, Failure> {
        let missing = || Failure::bad_data(format!("parameter `{name}` is missing"));
        self.take(name).ok_or_else(missing)
    }
}

fn decode(text: &[u8]) -> Result<String, Failure> {
    let malformed = || Failure::bad_data("a parameter is not percent-encoded UTF-8");
    let text = std::str::from_utf8(text).map_err(|_| malformed())?.replace('+', " ");
    let mut escapes = text.split('%').skip(1).map(str::as_bytes);
    let whole =
        |escape: &[u8]| escape.iter().take(2).filter(|b| b.is_ascii_hexdigit()).count() == 2;
    if !escapes.all(whole) {
        return Err(malformed());
    }
    let decoded = percent_decode_str(&text).decode_utf8().map_err(|_| malformed())?;
    Ok(decoded.into_owned())
}

fn unknown(name: &str, allowed: &[&str]) -> Failure {
    let allowed = match allowed {
        [] => "none are".to_owned(),
        [one] => format!("allowed is `{one}`"),
        [most @ .., last] => format!("allowed are `{}` and `{last}`", most.join("`, `")),
    };
    Failure::bad_data(format!("parameter {} is not allowed: {allowed}", quoted(name)))
}

/// What a client sent, for its eyes: short and on one line.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((at, _)) => format!("`{}…`", text[..at].escape_debug()),
        None => format!("`{}`", text.escape_debug()),
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
    fn what_is_not_known_once_and_encoded_is_refused_by_name() {
        let unknown = "is not allowed: allowed are `query` and `time`";
        for name in ["extra_label", "extra_filters[]", "nocache", "trace", "Query", "query "] {
            let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
            let text = format!("query=up&{encoded}=1");
            assert_eq!(message(&[text.as_bytes()]), format!("parameter `{name}` {unknown}"));
        }
        for texts in [&["query=1&query=1"][..], &["query=1", "query=2"], &["query=1&qu%65ry=2"]] {
            let texts: Vec<_> = texts.iter().map(|text| text.as_bytes()).collect();
            assert_eq!(message(&texts), "parameter `query` is given twice");
        }
        for text in
            [&b"query=%"[..], b"query=%4", b"query=%zz", b"query=%ff", b"query=\xff", b"%=1"]
        {
            assert_eq!(message(&[text]), "a parameter is not percent-encoded UTF-8", "{text:?}");
        }
        assert_eq!(
            Pairs::parse(&[b"x=1"], &[]).unwrap_err().message,
            "parameter `x` is not allowed: none are"
        );
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(query in any::<String>(), time in any::<String>()) {
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
        fn whatever_is_sent_only_what_is_allowed_comes_through_and_once(
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
