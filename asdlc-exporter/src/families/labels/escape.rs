//! Escapes label values. Both text formats use the same escapes.

use std::fmt;

/// Appends a label value with `\`, `"` and LF escaped.
#[inline]
pub(crate) fn push_escaped(out: &mut String, value: &str) {
    if has_special(value.as_bytes()) {
        push_special(out, value);
    } else {
        out.push_str(value);
    }
}

/// Does the same for a value that has characters to escape.
#[inline(never)]
fn push_special(out: &mut String, value: &str) {
    let mut rest = value;
    while let Some(at) = rest.bytes().position(is_special) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'\\' => "\\\\",
            b'"' => "\\\"",
            _ => "\\n",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// Appends the original value of a value that [`push_escaped`] has escaped.
pub(crate) fn push_unescaped(out: &mut Vec<u8>, escaped: &[u8]) {
    let mut rest = escaped;
    while let Some(at) = rest.iter().position(|b| *b == b'\\') {
        out.extend_from_slice(&rest[..at]);
        match rest.get(at + 1) {
            Some(b'n') => out.push(b'\n'),
            Some(b) => out.push(*b),
            None => {}
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

fn is_special(b: u8) -> bool {
    matches!(b, b'\\' | b'"' | b'\n')
}

/// Whether the value has a character to escape. Checks eight bytes at a time. For typical values,
/// which are short, this needs about half of the instructions of `memchr::memchr3`. Not inlined, so
/// that no caller saves registers for it.
#[inline(never)]
fn has_special(value: &[u8]) -> bool {
    let Some(last) = value.last_chunk::<8>() else { return has_special_byte(short(value)) };
    let mut rest = value;
    loop {
        // The last word may overlap the one before.
        let word = u64::from_le_bytes(*rest.first_chunk::<8>().unwrap_or(last));
        if has_special_byte(word) {
            return true;
        }
        match rest.get(8..) {
            Some(after) if !after.is_empty() => rest = after,
            _ => return false,
        }
    }
}

/// The bytes of a value of less than eight bytes. Some of them can be there twice, and the rest is
/// zero.
#[inline]
fn short(value: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (value.first_chunk::<4>(), value.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        return first << 32 | last;
    }
    let byte = |at: usize| value.get(at).map_or(0, |b| u64::from(*b));
    byte(0) | byte(1) << 8 | byte(2) << 16
}

#[inline]
fn has_special_byte(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // `x - 1` has the high bit set only if `x` is 0, or if `x` has it set. The borrow of a 0 byte can change
    // the next byte, but then the result is not 0 anyway.
    let has = |b: u8| {
        let zero_where_equal = word ^ (ONES * u64::from(b));
        zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & HIGH
    };
    has(b'\\') | has(b'"') | has(b'\n') != 0
}

/// Appends escaped text to a string, for `write!`.
pub(crate) struct EscapedText<'a>(pub(crate) &'a mut String);

impl fmt::Write for EscapedText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // O-01
    #[test]
    fn each_special_character_is_escaped_at_any_position() {
        for len in 0..40 {
            let plain = "é".repeat(len / 2) + &"x".repeat(len % 2);
            let mut out = String::new();
            push_escaped(&mut out, &plain);
            assert_eq!(out, plain);
            for (special, escaped) in [('\\', "\\\\"), ('"', "\\\""), ('\n', "\\n")] {
                for at in (0..=plain.len()).filter(|at| plain.is_char_boundary(*at)) {
                    let (before, after) = plain.split_at(at);
                    let mut out = String::new();
                    let value = format!("{before}{special}{after}");
                    push_escaped(&mut out, &value);
                    assert_eq!(out, format!("{before}{escaped}{after}"));
                    let mut unescaped = Vec::new();
                    push_unescaped(&mut unescaped, out.as_bytes());
                    assert_eq!(unescaped, value.as_bytes());
                }
            }
        }
    }
}
