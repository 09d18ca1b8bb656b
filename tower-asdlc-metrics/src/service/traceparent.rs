//! The header `traceparent` of W3C Trace Context, read strictly.

use crate::record::exemplars::SpanIds;

/// Returns the ids of the span that the header names, and whether that span is sampled. `None` if the header is invalid.
///
/// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01` is version, trace id, span id and flags. Only digits and
/// lower-case letters up to `f` are valid, and no id may be 0. After the flags, later versions than `00` may have a `-` and
/// more.
#[inline(always)]
pub(crate) fn parse(value: &[u8]) -> Option<(SpanIds, bool)> {
    let (known, more) = value.split_first_chunk::<LENGTH>()?;
    let [.., last_flag] = known;
    // Nearly all headers have this version and these flags.
    let is_usual = known[..2] == *b"00"
        && known[2] == b'-'
        && known[52..54] == *b"-0"
        && matches!(last_flag, b'0'..=b'3')
        && more.is_empty();
    let is_sampled = if is_usual { last_flag & SAMPLED != 0 } else { is_sampled(known, more)? };
    let ids = ids(known)?;
    (known[35] == b'-' && ids.are_valid()).then_some((ids, is_sampled))
}

/// Whether the flags say that the span is sampled. `None` if the version, the flags or the characters next to them are invalid.
#[cold]
fn is_sampled(known: &[u8; LENGTH], more: &[u8]) -> Option<bool> {
    let [v, version, b'-', .., b'-', f, flags] = known else { return None };
    let [v, version, f, flags] = [v, version, f, flags].map(|it| digit(*it));
    let (version, flags) = (v? << 4 | version?, f? << 4 | flags?);
    let is_complete = match version {
        0 => more.is_empty(),
        0xff => false,
        _ => more.first().is_none_or(|next| *next == b'-'),
    };
    is_complete.then_some(flags & SAMPLED != 0)
}

fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The trace id and the span id. `None` if a digit is invalid.
#[inline(always)]
fn ids(known: &[u8; LENGTH]) -> Option<SpanIds> {
    // All digits in one array, so that the compiled code reads 16 of them at a time.
    let mut digits = [0; DIGITS];
    digits[..32].copy_from_slice(&known[3..35]);
    digits[32..].copy_from_slice(&known[36..52]);
    let ids = join(&values(digits)?);
    Some(SpanIds::of_words([word(&ids, 8), word(&ids, 0)], word(&ids, 16)))
}

/// The value of each digit. `None` if one is neither a digit nor a lower-case letter up to `f`. There is no branch for each
/// digit: it would be mispredicted for random digits.
#[inline(always)]
fn values(digits: [u8; DIGITS]) -> Option<[u8; DIGITS]> {
    let (mut values, mut are_valid) = ([0; DIGITS], true);
    // Not `map`, which calls a function.
    for (value, digit) in values.iter_mut().zip(digits) {
        // One difference is for digits, and one for letters. The one of the wrong kind wraps around, so the lesser one is the
        // value. It is below 16, but it is so for the 6 characters after `9` and the 10 before `a`, too. For these, `check` is
        // 16 or more. For all digits and letters that are valid, it is below 16.
        *value = digit.wrapping_sub(b'0').min(digit.wrapping_sub(b'a' - 10));
        let check = digit.wrapping_sub(b'0' - 6).min(digit.wrapping_sub(b'a'));
        are_valid &= (*value | check) < 16;
    }
    are_valid.then_some(values)
}

/// The bytes that the digits make, whose values these are.
///
/// A function of its own, so that the compiled code makes 16 bytes at a time. As a part of its caller, the loop would be unrolled
/// to one byte at a time.
#[inline(never)]
fn join(values: &[u8; DIGITS]) -> [u8; DIGITS / 2] {
    let mut bytes = [0; DIGITS / 2];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = values[2 * at] << 4 | values[2 * at + 1];
    }
    bytes
}

/// The number that the 8 bytes at this index make.
#[inline(always)]
fn word(bytes: &[u8; DIGITS / 2], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(eight)
}

/// The digits of both ids: a multiple of 16.
const DIGITS: usize = 48;

/// The length of version `00`.
const LENGTH: usize = 55;

/// The flag of a sampled span.
const SAMPLED: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    const SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

    fn span_ids(trace: u128, span: u64) -> SpanIds {
        SpanIds::of_words([trace as u64, (trace >> 64) as u64], span)
    }

    //
    #[test]
    fn a_valid_header_names_a_span_and_whether_it_is_sampled() {
        for (version, flags, more, is_sampled) in [
            ("00", "01", "", true),
            ("00", "00", "", false),
            // Only the last bit is defined.
            ("00", "ff", "", true),
            ("00", "fe", "", false),
            ("00", "02", "", false),
            // Later versions.
            ("01", "01", "", true),
            ("cc", "01", "-", true),
            ("fe", "00", "-what the-future will be like", false),
        ] {
            let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
            let header = format!("{version}-{ids}-{flags}{more}");
            let expected = Some((span_ids(TRACE, SPAN), is_sampled));
            assert_eq!(parse(header.as_bytes()), expected, "{header}");
        }
    }

    //
    #[test]
    fn an_invalid_header_names_none() {
        for header in [
            "",
            "00",
            // Version ff, or none.
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            // More than version 00 has, or another character than a dash.
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-010",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
            // Too short.
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-",
            // Ids of 0.
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            // Upper case.
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
            "0A-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",
            // Characters that are not digits, and dashes in wrong places.
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1",
            "00 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ",
            "00-4bf92f3577b34da6a3ce929d0e0e47-3600f067aa0ba902b7-01",
        ] {
            assert_eq!(parse(header.as_bytes()), None, "{header}");
        }
    }

    //
    #[test]
    fn one_changed_byte_makes_it_invalid_or_another_valid_header() {
        for (at, byte) in (0..LENGTH).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            let mut header = *b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            header[at] = byte;
            let is_dash = [2, 35, 52].contains(&at);
            let is_digit = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            // No change of a single digit makes an id 0, or the version ff.
            let is_valid = if is_dash { byte == b'-' } else { is_digit };
            assert_eq!(parse(&header).is_some(), is_valid, "{byte} at {at}");
        }
    }

    proptest! {
        //
        #[test]
        fn ids_that_are_written_are_read(
            trace in 1_u128.., span in 1_u64.., version in 0_u8..0xff, flags: u8,
        ) {
            let header = format!("{version:02x}-{trace:032x}-{span:016x}-{flags:02x}");
            let expected = (span_ids(trace, span), flags % 2 == 1);
            prop_assert_eq!(parse(header.as_bytes()), Some(expected));
        }

        //
        #[test]
        fn sixteen_digits_are_read_like_one_at_a_time(
            sixteen in prop_oneof![
                prop::array::uniform16(any::<u8>()),
                prop::array::uniform16(prop::sample::select(&b"0123456789abcdefg/:`AF\x80\xff"[..])),
                prop::array::uniform16(prop::sample::select(&b"0123456789abcdef"[..])),
            ],
        ) {
            let expected =
                sixteen.iter().try_fold(0, |read, it| Some(read << 4 | u64::from(digit(*it)?)));
            for at in (0..DIGITS).step_by(16) {
                let mut digits = [b'f'; DIGITS];
                digits[at..at + 16].copy_from_slice(&sixteen);
                let read = values(digits).map(|values| word(&join(&values), at / 2));
                prop_assert_eq!(read, expected);
            }
        }

        //
        #[test]
        fn any_bytes_are_read_without_a_panic(header: Vec<u8>) {
            if let Some((ids, _)) = parse(&header) {
                prop_assert!(ids.are_valid());
            }
        }
    }
}
