//! Removes users, passwords and queries from URLs.

use super::MASK;

/// Removes the text before an `@`, the text after the `?` or `#` of a URL, and a host that is not valid.
pub(super) fn remove_from_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(char::is_whitespace) {
        let token = part.trim_end();
        let (scheme, rest) = match token.find("://") {
            Some(at) => token.split_at(at + 3),
            None => ("", token),
        };
        // A password may contain `@`, `/` and `?` that are not escaped. It ends at the last `@`.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        out.push_str(scheme);
        match user {
            Some(user) if is_placeholder(user) => {
                out.push_str(user);
                out.push('@');
            }
            Some(_) => out.push_str("***@"),
            None => {}
        }
        let (address, query, quote) = match rest.find(['?', '#']) {
            Some(at) if is_query(scheme, rest, at) => {
                let query = rest[at..].trim_end_matches(is_closing);
                (&rest[..at], "?***", &rest[at + query.len()..])
            }
            _ => (rest, "", ""),
        };
        let host = address.split('/').next().unwrap_or_default();
        // An invalid host may be the first part of a password that contains a space.
        let has_host = !scheme.is_empty() && user.is_none() && !host.is_empty();
        let is_cut = has_host && !is_address(host);
        out.push_str(if is_cut { MASK } else { address });
        out.push_str(query);
        out.push_str(quote);
        out.push_str(&part[token.len()..]);
    }
    out
}

/// Scheme, host, port and path of a URL; `***` if the text is not a URL.
#[cfg(all(feature = "config", feature = "victoria-metrics"))]
pub(crate) fn url(url: &str) -> String {
    let Ok(uri) = url.parse::<http::Uri>() else { return MASK.to_owned() };
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return MASK.to_owned();
    };
    let (user, address) = match authority.as_str().rsplit_once('@') {
        Some((_, address)) => ("***@", address),
        None => ("", authority.as_str()),
    };
    if !is_address(address) {
        return MASK.to_owned();
    }
    let query = if uri.query().is_some() { "?***" } else { "" };
    format!("{scheme}://{user}{address}{}{query}", uri.path().trim_end_matches('/'))
}

/// A character that may close a URL in a sentence.
fn is_closing(c: char) -> bool {
    "`'\"):,;".contains(c)
}

/// Whether the `?` or `#` at this position starts a query, and is not a punctuation mark.
fn is_query(scheme: &str, text: &str, at: usize) -> bool {
    let (before, after) = (&text[..at], &text[at + 1..]);
    !after.is_empty() && (!scheme.is_empty() || before.contains('/') || after.contains('='))
}

/// Whether this is the `USER:PASSWORD` of an error message that shows the format of a URL.
fn is_placeholder(user: &str) -> bool {
    let mut words = user.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.all(|word| word == "USER" || word == "PASSWORD")
}

/// Whether this is `HOST` or `HOST:PORT`, possibly followed by punctuation.
fn is_address(text: &str) -> bool {
    let text = text.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != ']');
    // Error messages that show the format of a URL have `[:PORT]`.
    let text = text.strip_suffix("[:PORT]").unwrap_or(text);
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, "0"),
    };
    let is_ip = host.starts_with('[') && host.ends_with(']');
    let name = |c: char| c.is_alphanumeric() || "-._".contains(c);
    let is_host = !host.is_empty() && (is_ip || host.chars().all(name));
    is_host && port.bytes().all(|byte| byte.is_ascii_digit())
}
