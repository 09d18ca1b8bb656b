//! Numbers as text.

use crate::{families::model::Number, unix_time::UnixTime};
use std::io::Write as _;

#[inline]
pub(crate) fn push_number(out: &mut Vec<u8>, value: Number, is_open_metrics: bool) {
    match value {
        Number::U64(v) => push_integer(out, v),
        Number::I64(v) => out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes()),
        Number::F64(v) => push_float(out, v, is_open_metrics),
    }
}

pub(crate) fn push_float(out: &mut Vec<u8>, value: f64, is_open_metrics: bool) {
    if is_open_metrics { push_canonical(out, value) } else { push_shortest(out, value) }
}

/// Appends a time in seconds, as exactly as it is known.
pub(crate) fn push_time(out: &mut Vec<u8>, UnixTime(nanoseconds): UnixTime) {
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    push_integer(out, seconds);
    // Writing to memory cannot fail.
    let _ = write!(out, ".{rest:09}");
    let zeros = out.iter().rev().take("00000000".len()).take_while(|b| **b == b'0').count();
    out.truncate(out.len() - zeros);
}

#[inline]
pub(crate) fn push_integer(out: &mut Vec<u8>, value: u64) {
    // Many buckets have a count of less than 10.
    if value < 10 {
        out.push(b'0' + value as u8);
    } else {
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
}

/// Appends the shortest text that parses to the same number.
fn push_shortest(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value);
        let text = text.strip_suffix(".0").unwrap_or(text);
        // Only these numbers have a `+` before the exponent. It is left out.
        let parts = if value.abs() >= 1e16 { text.split_once("e+") } else { None };
        match parts {
            Some((digits, exponent)) => {
                for part in [digits, "e", exponent] {
                    out.extend_from_slice(part.as_bytes());
                }
            }
            None => out.extend_from_slice(text.as_bytes()),
        }
    }
}

/// Appends a number in the form that `OpenMetrics` names "Canonical Numbers", which is Go's `%g`.
///
/// It has the shortest digits that parse to the same number. A whole number ends in `.0`. Below 0.0001
/// and from 1000000 on, there is an exponent with a sign and at least two digits.
fn push_canonical(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    push_shortest(out, value);
    let size = value.abs();
    if !(1e-4..1e6).contains(&size) && size != 0.0 && value.is_finite() {
        out.truncate(start);
        // Writing to memory cannot fail.
        let _ = write!(out, "{value:e}");
        let Some(e) = out[start..].iter().position(|b| *b == b'e') else { return };
        let sign = start + e + 1;
        if out.get(sign) != Some(&b'-') {
            out.insert(sign, b'+');
        }
        if out.len() - sign < "+00".len() {
            out.insert(sign + 1, b'0');
        }
    } else if out[start..].iter().all(|b| b.is_ascii_digit() || *b == b'-') {
        out.extend_from_slice(b".0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_their_shortest_form() {
        for (value, expected) in [
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (-0.0, "-0"),
            (5.0, "5"),
            (0.005, "0.005"),
            (1e15, "1000000000000000"),
            (1e16, "1e16"),
            (-1e300, "-1e300"),
            (1e-7, "1e-7"),
        ] {
            let mut out = Vec::new();
            push_shortest(&mut out, value);
            assert_eq!(out, expected.as_bytes());
        }
    }

    // F-17, X-04
    #[test]
    fn openmetrics_floats_are_canonical() {
        for (value, expected) in [
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (-3.0, "-3.0"),
            (0.005, "0.005"),
            (2.5, "2.5"),
            (0.0001, "0.0001"),
            (0.000_099_999_999, "9.9999999e-05"),
            (1e5, "100000.0"),
            (999_999.999_999_999_9, "999999.9999999999"),
            (1e6, "1e+06"),
            (-1e6, "-1e+06"),
            (1_048_576.0, "1.048576e+06"),
            (1e10, "1e+10"),
            (1e16, "1e+16"),
            (1e-5, "1e-05"),
            (1e-7, "1e-07"),
            (1e-9, "1e-09"),
            (5e-324, "5e-324"),
            (-1e300, "-1e+300"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = b"7e".to_vec();
            push_canonical(&mut out, value);
            assert_eq!(out[2..], *expected.as_bytes());
        }
    }

    //
    #[test]
    fn times_are_seconds_with_the_digits_that_are_needed() {
        for (nanoseconds, expected) in [
            (0, "0.0"),
            (1_764_400_000_000_000_000, "1764400000.0"),
            (1_764_400_000_500_000_000, "1764400000.5"),
            (1_764_400_000_123_456_789, "1764400000.123456789"),
            (1_764_400_000_000_000_010, "1764400000.00000001"),
        ] {
            let mut out = b"x ".to_vec();
            push_time(&mut out, UnixTime(nanoseconds));
            assert_eq!(out[2..], *expected.as_bytes());
        }
    }
}
