//! What may be a secret is removed from texts that others wrote, before they reach a log or an error.
//!
//! Denied by default: rather too much is removed. A text of ours that never holds a foreign value
//! needs none of this.

#[cfg(any(feature = "health", feature = "victoria-metrics"))]
use std::error::Error;

/// One line of bounded length, without users, passwords, tokens and queries of URLs.
pub(crate) fn text(text: &str) -> String {
    let mut safe = without_secrets(text);
    // What is percent-encoded, once or twice, is found in the text that it stands for.
    let mut decoded = safe.clone();
    for _ in 0..3 {
        let Some(next) = percent_decoded(&decoded) else { break };
        let redacted = without_secrets(&next);
        if redacted != next {
            safe = redacted;
        }
        decoded = next;
    }
    bounded(&safe)
}

/// An error with all that caused it, as one line; see [`text`].
#[cfg(any(feature = "health", feature = "victoria-metrics"))]
pub(crate) fn error(error: &(dyn Error + 'static)) -> String {
    let mut all = String::new();
    let mut next = Some(error);
    // A chain that never ends is cut as a long one is.
    for _ in 0..MAX_SOURCES {
        let Some(error) = next else { break };
        next = error.source();
        let own = error.to_string();
        // Many errors repeat their source.
        if !all.contains(&own) {
            let separator = if all.is_empty() { "" } else { ": " };
            all.push_str(separator);
            all.push_str(&own);
        }
    }
    text(&all)
}

/// Scheme, host, port and path of a URL; `***` for what is none.
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

/// Whether a key, a field or a parameter of this name may hold a secret.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word)) || SHORT_SECRET_WORDS.contains(&&*name)
}

fn without_secrets(text: &str) -> String {
    commands(&values(&urls(text)))
}

/// Without what stands before an `@`, behind the `?` of a URL and in place of its host.
fn urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(char::is_whitespace) {
        let token = part.trim_end();
        let (scheme, rest) = match token.find("://") {
            Some(at) => token.split_at(at + 3),
            None => ("", token),
        };
        // A password may hold `@`, `/` and `?` that nobody escaped: the last `@` ends it.
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
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
        let (place, query, quote) = match place.find(['?', '#']) {
            Some(at) if is_query(scheme, place, at) => {
                let query = place[at..].trim_end_matches(is_quote);
                (&place[..at], "?***", &place[at + query.len()..])
            }
            _ => (place, "", ""),
        };
        let host = place.split('/').next().unwrap_or_default();
        // Of a password with a blank in it, this is the first half.
        let has_host = !scheme.is_empty() && user.is_none() && !host.is_empty();
        let is_cut = has_host && !is_address(host);
        out.push_str(if is_cut { MASK } else { place });
        out.push_str(query);
        out.push_str(quote);
        out.push_str(&part[token.len()..]);
    }
    out
}

/// What a sentence puts behind a URL.
fn is_quote(c: char) -> bool {
    "`'\"):,;".contains(c)
}

/// Whether a query begins here, and not only a punctuation mark stands here.
fn is_query(scheme: &str, text: &str, at: usize) -> bool {
    let (before, after) = (&text[..at], &text[at + 1..]);
    !after.is_empty() && (!scheme.is_empty() || before.contains('/') || after.contains('='))
}

/// `USER:PASSWORD` of a message that says what is allowed.
fn is_placeholder(user: &str) -> bool {
    let mut words = user.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.all(|word| word == "USER" || word == "PASSWORD")
}

/// `HOST` or `HOST:PORT`, whatever follows the port.
fn is_address(text: &str) -> bool {
    let text = text.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != ']');
    // Of a message that says what is allowed.
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

/// Without what stands behind `password=`, `"token":` and the like.
fn values(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_name) {
        let (before, from) = rest.split_at(at);
        let (word, after) = from.split_at(from.find(|c| !is_name(c)).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(word);
        rest = after;
        if names_a_secret(word)
            && let Some((gap, value)) = value_behind(word, rest)
        {
            out.push_str(&rest[..gap]);
            out.push_str(MASK);
            rest = &rest[gap + value..];
        }
    }
    out.push_str(rest);
    out
}

/// A character of the name of a key, a field or a parameter.
fn is_name(c: char) -> bool {
    c.is_alphanumeric() || "_-.".contains(c)
}

/// The lengths of what separates a name from its value and of the value.
fn value_behind(name: &str, text: &str) -> Option<(usize, usize)> {
    let behind_quote = text.strip_prefix(['"', '\'', '`']).unwrap_or(text).trim_start();
    // `>` is that of `->` and of an XML element.
    let behind_quote = behind_quote.strip_prefix("->").map_or(behind_quote, |_| &behind_quote[1..]);
    let value = match behind_quote.strip_prefix(['=', ':', '>']) {
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
        // `Some("…")`: where it ends, who wrote it knows.
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

/// Without the words that follow a command or a scheme of authentication, or a word such as `password`.
fn commands(text: &str) -> String {
    let rest = [ARGUMENTS, PRIVATE_KEY].iter();
    let text = match rest.filter_map(|begin| Some(text.find(begin)? + begin.len())).min() {
        Some(end) => &format!("{} {MASK}", &text[..end]),
        None => text,
    };
    let mut out = String::with_capacity(text.len());
    let mut masked = 0_u8;
    let mut follows_secret_word = false;
    let mut is_setuser = false;
    for part in text.split_inclusive(char::is_whitespace) {
        let token = part.trim_end();
        if token.is_empty() {
            out.push_str(part);
            continue;
        }
        let name = token.trim_start_matches('-');
        let is_secret_word = BARE_SECRET_WORDS.iter().any(|word| name.eq_ignore_ascii_case(word))
            || name.contains(['_', '-']) && name.chars().all(is_name) && names_a_secret(name);
        // `password is …`
        let is_link = ["is", "was"].contains(&token);
        let follows = follows_secret_word;
        follows_secret_word = is_secret_word || is_link && follows;
        is_setuser |= token.eq_ignore_ascii_case("setuser");
        // Redis' rules for a password: added, removed, or as a hash.
        let is_rule = is_setuser && token.len() > 1 && token.starts_with(['>', '<', '#', '!']);
        if masked > 0 || is_rule || follows && !is_secret_word && !is_plain(token) {
            masked = masked.saturating_sub(1);
            // One mask for all of them.
            if !out.ends_with("*** ") {
                out.push_str("*** ");
            }
            continue;
        }
        out.push_str(part);
        let word = token.trim_matches(|c: char| !c.is_alphanumeric());
        masked = match word {
            // `AUTH password` and `AUTH user password`, of Redis and others.
            "AUTH" => 2,
            _ if word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic") => 1,
            _ => masked,
        };
    }
    out
}

/// A word that follows `password` or `token` in a sentence and is not the secret itself.
fn is_plain(token: &str) -> bool {
    let word = token.trim_matches(|c: char| c.is_ascii_punctuation());
    word.is_empty() || PLAIN_WORDS.split_whitespace().any(|plain| word.eq_ignore_ascii_case(plain))
}

/// `None` when nothing is encoded.
fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    (out.len() < bytes.len()).then(|| String::from_utf8_lossy(&out).into_owned())
}

/// On one line, and not longer than a log should have it.
fn bounded(text: &str) -> String {
    let line = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut out: String = line.clone().take(MAX_CHARS).collect();
    if line.count() > MAX_CHARS {
        out.push('…');
    }
    out
}

const MASK: &str = "***";
const MAX_CHARS: usize = 512;
#[cfg(any(feature = "health", feature = "victoria-metrics"))]
const MAX_SOURCES: usize = 16;

/// Parts of the names of secrets, in lower case.
const SECRET_WORDS: [&str; 13] = [
    "pass",
    "pwd",
    "secret",
    "token",
    "auth",
    "cred",
    "key",
    "cookie",
    "session",
    "signature",
    "private",
    "bearer",
    "dsn",
];

/// Names of secrets that are parts of too many other words.
const SHORT_SECRET_WORDS: [&str; 5] = ["sig", "pin", "otp", "pw", "sas"];

/// A secret may follow one of these without a sign between, as in `wrong password hunter2`.
const BARE_SECRET_WORDS: [&str; 15] = [
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "credential",
    "credentials",
    "creds",
    "auth",
    "requirepass",
    "masterauth",
];

/// What follows such a word in messages of servers and libraries. Any other word is removed.
const PLAIN_WORDS: &str = "a an and are as at authentication authorization be been but by can cannot check could denied did \
    does do empty error exchange expired expires failed failure field file for format from given had has have header if in \
    incorrect invalid is it length may method mismatch missing must name needed no not of on or pair password path provided \
    refused rejected required server service set should than that the to token too type unknown unset user username value \
    was were when which while will with without wrong";

/// Their values have several words.
const LISTS: [&str; 4] = ["cookie", "authorization", "credentials", "dsn"];

/// What Redis says before it repeats the arguments of an unknown command.
const ARGUMENTS: &str = "with args beginning with:";

/// The line before a key in PEM.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

#[cfg(test)]
mod tests;
