//! Numbers as text.

use crate::{exposition::format::Format, families::model::Number};
use std::fmt::Write as _;

#[inline]
pub(crate) fn push_number(out: &mut String, value: Number, format: Format) {
    match value {
        Number::U64(v) => push_integer(out, v),
        Number::I64(v) => out.push_str(itoa::Buffer::new().format(v)),
        Number::F64(v) => push_float(out, v, format),
    }
}

pub(crate) fn push_float(out: &mut String, value: f64, format: Format) {
    match format {
        Format::Text => push_shortest(out, value),
        Format::OpenMetrics => push_canonical(out, value),
    }
}

#[inline]
pub(crate) fn push_integer(out: &mut String, value: u64) {
    // Many buckets have a count of less than 10.
    if value < 10 {
        out.push(char::from(b'0' + value as u8));
    } else {
        out.push_str(itoa::Buffer::new().format(value));
    }
}

/// Appends the shortest text that parses to the same number.
fn push_shortest(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value);
        let text = text.strip_suffix(".0").unwrap_or(text);
        // Only these numbers have a `+` before the exponent. It is left out.
        let parts = if value.abs() >= 1e16 { text.split_once("e+") } else { None };
        match parts {
            Some((digits, exponent)) => out.extend([digits, "e", exponent]),
            None => out.push_str(text),
        }
    }
}

/// Appends a number in the form that `OpenMetrics` names "Canonical Numbers", which is Go's `%g`.
///
/// It has the shortest digits that parse to the same number. A whole number ends in `.0`. Below 0.0001
/// and from 1000000 on, there is an exponent with a sign and at least two digits.
fn push_canonical(out: &mut String, value: f64) {
    let start = out.len();
    push_shortest(out, value);
    let size = value.abs();
    if !(1e-4..1e6).contains(&size) && size != 0.0 && value.is_finite() {
        out.truncate(start);
        // Writing to a string cannot fail.
        let _ = write!(out, "{value:e}");
        let Some(e) = out[start..].rfind('e') else { return };
        let exponent: String = out.drain(start + e + 1..).collect();
        let (sign, digits) =
            exponent.strip_prefix('-').map_or(("+", exponent.as_str()), |digits| ("-", digits));
        let zero = if digits.len() < 2 { "0" } else { "" };
        out.extend([sign, zero, digits]);
    } else if out[start..].bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        out.push_str(".0");
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
            let mut out = String::new();
            push_shortest(&mut out, value);
            assert_eq!(out, expected);
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
            let mut out = String::from("7e");
            push_canonical(&mut out, value);
            assert_eq!(out[2..], *expected);
        }
    }
}
