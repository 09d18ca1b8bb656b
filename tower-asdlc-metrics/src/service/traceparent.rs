//! The header `traceparent` of W3C Trace Context, read strictly.

use crate::record::exemplars::SpanIds;

/// Returns the ids of the span that the header names, and whether that span is sampled. `None` if the header is invalid.
///
/// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01` is version, trace id, span id and flags. Only digits and lower-case
/// letters are valid, and ids that are not 0. A later version than `00` may append more, after another `-`.
pub(crate) fn parse(value: &[u8]) -> Option<(SpanIds, bool)> {
    let (known, more) = value.split_first_chunk::<LENGTH>()?;
    let mut digits = Digits { are_valid: true };
    let mut read = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&known[at..at + 8]);
        u128::from(digits.read(eight))
    };
    let trace = read(3) << 96 | read(11) << 64 | read(19) << 32 | read(27);
    let span = (read(36) << 32 | read(44)) as u64;
    let [version, flags, ..] = digits
        .read([known[0], known[1], known[53], known[54], b'0', b'0', b'0', b'0'])
        .to_be_bytes();
    let is_complete = match version {
        0 => more.is_empty(),
        0xff => false,
        _ => more.first().is_none_or(|next| *next == b'-'),
    };
    let has_dashes = [known[2], known[35], known[52]] == [b'-'; 3];
    let ids = SpanIds::new(trace.to_be_bytes(), span.to_be_bytes());
    let is_valid = digits.are_valid && is_complete && has_dashes && ids.are_valid();
    is_valid.then_some((ids, flags & SAMPLED != 0))
}

/// Reads hexadecimal digits, 8 at a time in one word: one at a time takes twice as long, and a branch for each of the random digits
/// would be mispredicted.
struct Digits {
    /// Whether all that were read are digits or lower-case letters.
    are_valid: bool,
}

impl Digits {
    fn read(&mut self, digits: [u8; 8]) -> u32 {
        let digits = u64::from_be_bytes(digits);
        // Sets the highest bit of each byte that is at least this. A byte above 127 spills into the next one, and is refused.
        let at_least = |byte: u8| digits.wrapping_add(ONES * u64::from(0x80 - byte));
        let is_number = at_least(b'0') & !at_least(b'9' + 1);
        let is_letter = at_least(b'a') & !at_least(b'f' + 1);
        let highest = ONES << 7;
        self.are_valid &= (is_number | is_letter) & !digits & highest == highest;
        // The value of each digit, and then those of 2, of 4, and of 8.
        let ones = (digits & (ONES * 0xf)) + (is_letter >> 7 & ONES) * 9;
        let pairs = (ones | ones >> 4) & 0x00ff_00ff_00ff_00ff;
        let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
        (fours | fours >> 16) as u32
    }
}

/// 1 in each byte.
const ONES: u64 = u64::from_ne_bytes([1; 8]);

/// The length of version `00`.
const LENGTH: usize = 55;

/// The flag of a sampled span.
const SAMPLED: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: [u8; 16] = [
        0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47,
        0x36,
    ];
    const SPAN: [u8; 8] = [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7];

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
            let expected = Some((SpanIds::new(TRACE, SPAN), is_sampled));
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
            // No digits, and dashes elsewhere.
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

    proptest! {
        //
        #[test]
        fn ids_that_are_written_are_read(
            trace in 1_u128.., span in 1_u64.., version in 0_u8..0xff, flags: u8,
        ) {
            let header = format!("{version:02x}-{trace:032x}-{span:016x}-{flags:02x}");
            let ids = SpanIds::new(trace.to_be_bytes(), span.to_be_bytes());
            prop_assert_eq!(parse(header.as_bytes()), Some((ids, flags % 2 == 1)));
        }

        //
        #[test]
        fn one_changed_byte_makes_it_invalid_or_another_valid_header(at in 0..LENGTH, byte: u8) {
            let mut header = *b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            header[at] = byte;
            let is_dash = [2, 35, 52].contains(&at);
            let is_digit = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            // No single digit makes an id 0 or the version ff.
            let is_valid = if is_dash { byte == b'-' } else { is_digit };
            prop_assert_eq!(parse(&header).is_some(), is_valid);
        }

        //
        #[test]
        fn eight_digits_are_read_like_one_at_a_time(
            eight in prop_oneof![
                prop::array::uniform8(any::<u8>()),
                prop::array::uniform8(prop::sample::select(&b"0123456789abcdefg/:`AF\x80\xff"[..])),
                prop::array::uniform8(prop::sample::select(&b"0123456789abcdef"[..])),
            ],
        ) {
            let value = |digit: u8| match digit {
                b'0'..=b'9' => Some(u32::from(digit - b'0')),
                b'a'..=b'f' => Some(u32::from(digit - b'a') + 10),
                _ => None,
            };
            let expected = eight.iter().try_fold(0, |read, digit| Some(read << 4 | value(*digit)?));
            let mut digits = Digits { are_valid: true };
            let read = digits.read(eight);
            prop_assert_eq!(digits.are_valid.then_some(read), expected);
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
