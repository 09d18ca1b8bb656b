//! What `OpenMetrics` 1.0 has that the text format 0.0.4 has not, or has otherwise.

use crate::{
    exposition::text,
    families::{
        catalogue::{Declared, Family},
        model::{Bucket, Kind, Number},
    },
};
use std::{collections::HashSet, fmt::Write as _};

/// The last line.
pub(crate) const EOF: &str = "# EOF\n";

/// Finds out which families can have their names without the suffix.
///
/// There the counter `orders_total` is the family `orders` with the sample `orders_total`, and so
/// the gauge `build_info` the family `build`. But `orders` may be a gauge of its own, or the
/// samples of a histogram `x` may be named like the counter `x_count_total` without its end: what
/// has no base of its own stays whole and is, if a counter, of type unknown.
pub(crate) fn find_bases(families: &mut [Declared]) {
    let mut claimed = HashSet::new();
    for family in &*families {
        claimed.insert(family.name.clone());
        claimed.extend(family.kind.suffixes().iter().map(|end| format!("{}{end}", family.name)));
    }
    for family in families {
        let Some(base) = base(&family.name, family.kind) else { continue };
        let created = (family.kind == Kind::Counter).then(|| format!("{base}_created"));
        let claims = || [Some(base.to_owned()), created.clone()].into_iter().flatten();
        family.has_base = !claims().any(|name| claimed.contains(&name));
        if family.has_base {
            claimed.extend(claims());
        }
    }
}

/// Appends the lines that begin a family.
///
/// `is_typical` says that all its values are what samples of its type may be.
pub(crate) fn push_head(out: &mut String, family: &Family<'_, '_>, is_typical: bool) {
    let Family { name, help, kind, unit, has_base, .. } = *family;
    let base = base(name, kind).filter(|_| has_base && is_typical);
    let word = match (kind, base) {
        (Kind::Counter, None) => "unknown",
        (Kind::Gauge, Some(_)) => "info",
        _ => kind.as_str(),
    };
    let name = base.unwrap_or(name);
    for part in ["# HELP ", name, " "] {
        out.push_str(part);
    }
    push_help(out, help);
    for part in ["\n# TYPE ", name, " ", word, "\n"] {
        out.push_str(part);
    }
    // The name has to end with the unit.
    if !unit.is_empty() && name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')) {
        for part in ["# UNIT ", name, " ", unit, "\n"] {
            out.push_str(part);
        }
    }
}

/// Whether a family of this kind may have a sample of this value under its base name.
pub(crate) fn is_typical(kind: Kind, value: Number) -> bool {
    match kind {
        Kind::Counter => is_countable(value),
        Kind::Gauge => value.float() == 1.0,
        Kind::Histogram | Kind::Summary => true,
    }
}

/// Whether a histogram may have sum and count: it may not when the sum can fall.
pub(crate) fn has_sum(buckets: &[Bucket], sum: Number) -> bool {
    is_countable(sum) && buckets.first().is_none_or(|bucket| bucket.bound >= 0.0)
}

/// Whether a sample may be a sum or a count of something.
pub(crate) fn is_countable(value: Number) -> bool {
    value.float() >= 0.0
}

/// Appends a floating-point number as the specification's "Canonical Numbers" and Go's `%g` have it:
/// the shortest digits that read back as the same number, with `.0` for whole ones; below 0.0001 and
/// from 1000000 on with an exponent of a sign and two digits at least.
pub(crate) fn push_float(out: &mut String, value: f64) {
    let start = out.len();
    text::push_float(out, value);
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

fn base(name: &str, kind: Kind) -> Option<&str> {
    match kind {
        Kind::Counter => name.strip_suffix("_total"),
        Kind::Gauge => name.strip_suffix("_info"),
        Kind::Histogram | Kind::Summary => None,
    }
    .filter(|base| !base.is_empty())
}

/// Appends a help text with `\`, `"` and LF escaped.
fn push_help(out: &mut String, help: &str) {
    for c in help.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // F-17, X-04
    #[test]
    fn floats_are_canonical() {
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
            push_float(&mut out, value);
            assert_eq!(out[2..], *expected);
        }
    }
}
