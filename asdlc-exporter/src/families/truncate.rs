//! What is too long for a scraper.
//!
//! Scrapers give up the whole target when one line of it is too long: vmagent reads large answers line
//! by line, and refuses them when a line has more than 256 KiB. Backends refuse single series: Mimir
//! those with a label value of more than 2048 bytes, recent versions of `VictoriaMetrics` 4096.

use std::fmt::Write as _;

/// Truncates what was appended, escaped, since `start`, when it has more than `max_len` bytes without
/// its escapes. Says whether it did.
///
/// What is left ends in a hash of the whole value: values that begin in the same way stay different,
/// and each stays the same in every scrape.
#[cold]
pub(crate) fn truncate_value(out: &mut String, start: usize, max_len: usize) -> bool {
    let escaped = &out[start..];
    let kept = max_len.saturating_sub(ELLIPSIS.len() + HASH_LEN);
    let (mut len, mut end) = (0, 0);
    let mut chars = escaped.char_indices();
    let is_long = loop {
        let Some((at, c)) = chars.next() else { break false };
        if len <= kept {
            end = at;
        }
        len += c.len_utf8();
        if len > max_len {
            break true;
        }
        if c == '\\' {
            chars.next();
        }
    };
    if is_long {
        let hash = hash(escaped.as_bytes());
        out.truncate(start + end);
        // Writing to a string cannot fail.
        let _ = write!(out, "{ELLIPSIS}{hash:016x}");
    }
    is_long
}

/// Truncates a label key, which is ASCII, to [`MAX_KEY_LEN`]; what is left ends in a hash of it.
pub(crate) fn truncate_key(key: &mut String) {
    let hash = hash(key.as_bytes());
    key.truncate(MAX_KEY_LEN - 1 - HASH_LEN);
    // Writing to a string cannot fail.
    let _ = write!(key, "_{hash:016x}");
}

/// The help text, or its begin.
pub(crate) fn truncated_help(help: &str) -> String {
    if help.len() <= MAX_HELP_LEN {
        return help.to_owned();
    }
    let end = floor_char_boundary(help, MAX_HELP_LEN - ELLIPSIS.len());
    help[..end].to_owned() + ELLIPSIS
}

/// The greatest index up to `at` where `text` can be cut.
pub(crate) fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// The begin of what is too long to repeat in a message.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_LEN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The same in each process of each version, so that series keep their identity. Who finds two values
/// of the same hash gets one series for both, in which they add up.
fn hash(bytes: &[u8]) -> u64 {
    let chunks = bytes.chunks_exact(8);
    let rest = chunks.remainder();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = chunks.filter_map(<[u8]>::first_chunk).chain([&last]);
    let words = words.map(|word| u64::from_le_bytes(*word));
    words.chain([bytes.len() as u64]).fold(0, |hash: u64, word| {
        let mixed = (hash.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    })
}

/// The default of [`with_max_label_value_len`](crate::ExporterBuilder::with_max_label_value_len).
pub(crate) const DEFAULT_VALUE_LEN: usize = 1024;
/// Room for a hash and some of the value.
pub(crate) const LEAST_VALUE_LEN: usize = 64;
pub(crate) const MOST_VALUE_LEN: usize = 4096;

/// Of a label key, and of the namespace.
pub(crate) const MAX_KEY_LEN: usize = 256;

/// Of a series, beside the constant ones. No more than there are bits in an `u64`.
pub(crate) const MAX_LABELS: usize = 64;

/// Of all escaped label values of a series. Together with 64 keys and the constant labels a line is far
/// below 256 KiB.
pub(crate) const MAX_LABELS_LEN: usize = 128 * 1024;

/// Of all constant labels.
pub(crate) const MAX_CONSTANT_LEN: usize = 32 * 1024;

/// Of a family. The SDK allows 255 for an instrument; namespace and unit come on top.
pub(crate) const MAX_NAME_LEN: usize = 1024;

const MAX_HELP_LEN: usize = 1024;
const EXCERPT_LEN: usize = 32;
const ELLIPSIS: &str = "...";
/// Hexadecimal.
const HASH_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::escape::push_escaped;

    // F-16
    #[test]
    fn a_value_is_cut_between_characters_and_escapes() {
        for unit in ["x", "é", "€", "🦀", "\"", "\\", "\n", "x\"", "\\é"] {
            for len in [62, 63, 64, 65, 66, 67, 100, 1000] {
                for before in ["", "x", "xx", "xxx"] {
                    let value = before.to_owned() + &unit.repeat(len / unit.len());
                    let mut out = String::from("before\"");
                    let start = out.len();
                    push_escaped(&mut out, &value);
                    let whole = out.clone();
                    let is_cut = truncate_value(&mut out, start, 64);
                    assert_eq!(is_cut, value.len() > 64, "{value}");
                    if !is_cut {
                        assert_eq!(out, whole);
                        continue;
                    }
                    let (head, hash) = out[start..].split_at(out.len() - start - 16);
                    let head = head.strip_suffix("...").expect("an ellipsis");
                    assert!(hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
                    let mut escaped = String::new();
                    let kept = value.char_indices().map(|(at, _)| &value[..at]);
                    let longest = kept.take_while(|kept| kept.len() <= 64 - 19).last();
                    push_escaped(&mut escaped, longest.expect("a character"));
                    assert_eq!(head, escaped);
                }
            }
        }
    }

    // F-16
    #[test]
    fn the_hash_tells_values_apart_and_is_always_the_same() {
        assert_eq!(hash(b""), hash(b""));
        let mut all = std::collections::HashSet::new();
        for len in 0..200 {
            assert!(all.insert(hash(&vec![b'x'; len])));
            assert!(all.insert(hash(&vec![0; len + 1])));
        }
        let mut value = "x".repeat(2000) + "1";
        truncate_value(&mut value, 0, 64);
        assert_eq!(value, "x".repeat(45) + "...ecfadac52aed9d1b");
    }

    // F-16, a neighbour
    #[test]
    fn help_and_keys_are_cut() {
        assert_eq!(truncated_help("Help."), "Help.");
        let help = truncated_help(&"é".repeat(600));
        assert_eq!(help, "é".repeat(510) + "...");
        let mut key = "k".repeat(300);
        truncate_key(&mut key);
        assert_eq!(key.len(), MAX_KEY_LEN);
        assert!(crate::families::name::is_label_key(&key));
    }
}
