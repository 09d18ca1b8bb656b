//! Removes secrets and internal addresses from texts that other code wrote, before they reach a log, an
//! error or a client.
//!
//! If it is unclear whether a text is a secret, the text is removed. A message of this crate needs
//! no redaction if it contains no value from another program or library.
//!
//! It would be simpler to show only the type of such an error. But then the log would not say why a
//! dependency is down. Servers and libraries show secrets in different forms. Each rule is for one
//! form, and `tests.rs` has an example of each.

#[cfg(feature = "victoria-metrics")]
mod addresses;
mod arguments;
mod urls;
mod values;

#[cfg(feature = "victoria-metrics")]
pub(crate) use addresses::without_addresses;
#[cfg(all(feature = "config", feature = "victoria-metrics"))]
pub(crate) use urls::url;

#[cfg(any(feature = "health", feature = "victoria-metrics"))]
use std::error::Error;

/// Removes users, passwords, tokens and the queries of URLs. The result is one line of bounded length.
pub(crate) fn text(text: &str) -> String {
    let mut safe = without_secrets(text);
    // A secret may be percent-encoded, even twice.
    let mut decoded = safe.clone();
    for _ in 0..3 {
        let Some(next) = percent_decoded(&decoded) else { break };
        // Decoding goes on from here: `next` may split a value that is removed, such as `password=a%20b`.
        decoded = without_secrets(&next);
        if decoded != next {
            safe.clone_from(&decoded);
        }
    }
    bounded(&safe)
}

/// An error and its sources as one line; see [`text`].
#[cfg(any(feature = "health", feature = "victoria-metrics"))]
pub(crate) fn error(error: &(dyn Error + 'static)) -> String {
    let mut all = String::new();
    let mut next = Some(error);
    // The chain of sources may be endless.
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

/// Whether the value of a key, field or parameter with this name may be a secret.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word)) || SHORT_SECRET_WORDS.contains(&&*name)
}

fn without_secrets(text: &str) -> String {
    let text = urls::remove_from_urls(text);
    let text = values::remove_values(&text);
    arguments::remove_arguments(&text)
}

/// `None` when nothing is percent-encoded.
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

/// One line of at most [`MAX_CHARS`] characters.
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

/// Names of secrets that occur in many other words, so that only the whole name counts.
const SHORT_SECRET_WORDS: [&str; 5] = ["sig", "pin", "otp", "pw", "sas"];

#[cfg(test)]
mod tests;
