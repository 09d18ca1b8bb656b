//! Truncates what is too long for a scraper; see `limits`.

use crate::families::limits::{MAX_HELP_LEN, MAX_KEY_LEN};
use std::fmt::Write as _;

/// Truncates the escaped value that was appended at `start`, if the value had more than `max_len`
/// bytes before it was escaped. Returns whether it was truncated.
///
/// The truncated value ends in a hash of the whole value. So values with the same beginning stay
/// different, and each value is the same in every scrape.
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

/// Truncates a label key if it has more than [`MAX_KEY_LEN`] bytes. Then it ends in a hash
/// of the whole key. Returns whether it was truncated.
pub(crate) fn truncate_key(key: &mut String) -> bool {
    if key.len() <= MAX_KEY_LEN {
        return false;
    }
    let hash = hash(key.as_bytes());
    key.truncate(floor_char_boundary(key, MAX_KEY_LEN - 1 - HASH_LEN));
    // Writing to a string cannot fail.
    let _ = write!(key, "_{hash:016x}");
    true
}

/// The help text, truncated to [`MAX_HELP_LEN`] bytes.
pub(crate) fn truncated_help(help: &str) -> String {
    if help.len() <= MAX_HELP_LEN {
        return help.to_owned();
    }
    let end = floor_char_boundary(help, MAX_HELP_LEN - ELLIPSIS.len());
    help[..end].to_owned() + ELLIPSIS
}

/// The greatest index up to `at` at which `text` can be split. `str::floor_char_boundary` needs Rust 1.91.
pub(crate) fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rfind(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// The beginning of a text that may be too long for a message.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_LEN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The hash is the same in each process and each version, so series keep their identity. If two values have
/// the same hash and the same beginning, their series are merged.
fn hash(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.filter_map(|word| word.try_into().ok()).chain([last]).map(u64::from_le_bytes);
    words.chain([bytes.len() as u64]).fold(0, |hash: u64, word| {
        let mixed = (hash.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    })
}

const EXCERPT_LEN: usize = 32;
const ELLIPSIS: &str = "...";
/// Hexadecimal digits.
const HASH_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::labels::{escape::push_escaped, key::check_label_key};

    // F-16
    #[test]
    fn a_value_is_truncated_between_characters_and_escapes() {
        for unit in ["x", "é", "€", "🦀", "\"", "\\", "\n", "x\"", "\\é"] {
            for len in [62, 63, 64, 65, 66, 67, 100, 1000] {
                for before in ["", "x", "xx", "xxx"] {
                    let value = before.to_owned() + &unit.repeat(len / unit.len());
                    let mut out = String::from("before\"");
                    let start = out.len();
                    push_escaped(&mut out, &value);
                    let whole = out.clone();
                    let is_truncated = truncate_value(&mut out, start, 64);
                    assert_eq!(is_truncated, value.len() > 64, "{value}");
                    if !is_truncated {
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
    fn the_hash_distinguishes_values_and_never_changes() {
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
    fn help_and_keys_are_truncated() {
        assert_eq!(truncated_help("Help."), "Help.");
        let help = truncated_help(&"é".repeat(600));
        assert_eq!(help, "é".repeat(510) + "...");
        let mut key = "k".repeat(300);
        assert!(truncate_key(&mut key));
        assert_eq!(key.len(), MAX_KEY_LEN);
        assert_eq!(check_label_key(&key), Ok(()));
        assert!(!truncate_key(&mut key));
    }
}
