//! Removes values after names such as `password`.

use super::{MASK, names_a_secret};

/// Removes the values after `password=`, `"token":` and similar names.
pub(super) fn remove_values(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_name) {
        let (before, from) = rest.split_at(at);
        let (word, after) = from.split_at(from.find(|c| !is_name(c)).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(word);
        rest = after;
        let is_secret = names_a_secret(word) && !out.ends_with(LABEL_KEY);
        if let Some((gap, value)) = is_secret.then(|| value_after(word, rest)).flatten() {
            out.push_str(&rest[..gap]);
            out.push_str(MASK);
            rest = &rest[gap + value..];
        }
    }
    out.push_str(rest);
    out
}

/// A character of the name of a key, a field or a parameter.
pub(super) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || "_-.".contains(c)
}

/// The lengths of the separator between a name and its value, and of the value.
fn value_after(name: &str, text: &str) -> Option<(usize, usize)> {
    let after_quote = text.strip_prefix(['"', '\'', '`']).unwrap_or(text).trim_start();
    // `->`, and the `>` of an XML element, are separators too.
    let after_quote = after_quote.strip_prefix("->").map_or(after_quote, |_| &after_quote[1..]);
    let value = match after_quote.strip_prefix(['=', ':', '>']) {
        Some(value) if value.starts_with("//") => return None,
        Some(value) => value.trim_start_matches(['=', ':', '>']).trim_start(),
        // `password "…"`
        None => text.trim_start().strip_prefix(['"', '\'', '`']).and_then(|_| {
            let quoted = text.trim_start();
            (quoted.len() < text.len()).then_some(quoted)
        })?,
    };
    let name = name.to_ascii_lowercase();
    let is_list =
        value.starts_with(['[', '{', '(']) || LISTS.iter().any(|word| name.contains(word));
    let first = value.split(char::is_whitespace).next().unwrap_or_default();
    let length = match value.chars().next()? {
        // The end of a list, or of `Some("…")`, cannot be found reliably.
        _ if is_list || first.contains("(\"") => value.len(),
        quote @ ('"' | '\'' | '`') => quoted(value, quote),
        _ => value.find(char::is_whitespace).unwrap_or(value.len()),
    };
    Some((text.len() - value.len(), length))
}

/// The length of a quoted text, with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// If a name contains one of these, its value may have several words.
const LISTS: [&str; 4] = ["cookie", "authorization", "credentials", "dsn"];

/// Error messages of this crate show an invalid label key after this text. It is not a secret.
const LABEL_KEY: &str = "invalid label key";
