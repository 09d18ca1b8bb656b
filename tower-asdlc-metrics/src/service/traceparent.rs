//! The header `traceparent` of W3C Trace Context, read strictly.

use crate::record::exemplars::SpanIds;

/// Returns the ids of the span that the header names, and whether that span is sampled. `None` if the header is invalid.
///
/// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01` is version, trace id, span id and flags. Only digits and lower-case
/// letters are valid, and ids that are not 0. A later version than `00` may append more, after another `-`.
pub(crate) fn parse(value: &[u8]) -> Option<(SpanIds, bool)> {
    let (known, more) = value.split_at_checked(LENGTH)?;
    let [version] = hex(&known[..2])?;
    let is_complete = match version {
        0 => more.is_empty(),
        0xff => false,
        _ => more.first().is_none_or(|next| *next == b'-'),
    };
    let has_dashes = [2, 35, 52].iter().all(|dash| known[*dash] == b'-');
    let ids = SpanIds::new(hex(&known[3..35])?, hex(&known[36..52])?);
    let [flags] = hex(&known[53..])?;
    (is_complete && has_dashes && ids.are_valid()).then_some((ids, flags & SAMPLED != 0))
}

/// Reads two digits for each byte. Without a branch for each digit: random digits would be mispredicted.
fn hex<const BYTES: usize>(digits: &[u8]) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    let mut seen = 0;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| DIGITS[usize::from(digit)]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (seen < INVALID).then_some(bytes)
}

/// The value of each digit.
const DIGITS: [u8; 256] = {
    let mut digits = [INVALID; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// No digit has this bit.
const INVALID: u8 = 16;

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
        fn any_bytes_are_read_without_a_panic(header: Vec<u8>) {
            if let Some((ids, _)) = parse(&header) {
                prop_assert!(ids.are_valid());
            }
        }
    }
}
