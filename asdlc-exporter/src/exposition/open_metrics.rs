//! Where `OpenMetrics` 1.0 differs from text format 0.0.4.

use crate::{
    exemplars::Exemplar,
    exposition::{
        exemplars::{SPAN_ID, TRACE_ID, put_hex},
        family_writer::FamilyHead,
        number::{push_float, push_time},
        text::{name_text, push_str},
    },
    families::model::{Bucket, FamilyKind, Number},
};

/// The last line of an exposition.
pub(crate) const EOF: &[u8] = b"# EOF\n";

/// Appends the first lines of a family.
pub(crate) fn push_head(out: &mut Vec<u8>, family: &FamilyHead<'_>) {
    let FamilyHead { name, base_name, help, kind, unit, .. } = *family;
    let type_name = match (kind, base_name) {
        (FamilyKind::Counter, None) | (FamilyKind::Unknown, _) => "unknown",
        (FamilyKind::Gauge | FamilyKind::TargetInfo, Some(_)) => "info",
        _ => kind.as_str(),
    };
    let name = base_name.unwrap_or(name);
    let text = &*name_text(name);
    for part in ["# HELP ", text, " "] {
        push_str(out, part);
    }
    push_help(out, help);
    for part in ["\n# TYPE ", text, " ", type_name, "\n"] {
        push_str(out, part);
    }
    // In `OpenMetrics`, a name has to end with its unit, and an info has none. A unit has the characters of
    // classic names.
    let ends_with_unit = || name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
    let is_unit = || unit.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:".contains(&b));
    if !unit.is_empty() && type_name != "info" && ends_with_unit() && is_unit() {
        for part in ["# UNIT ", text, " ", unit, "\n"] {
            push_str(out, part);
        }
    }
}

/// The name of the lines `_created`, without this suffix. `None` if the family has no such lines: it is a gauge,
/// or a counter that has the type `unknown` here.
pub(crate) fn created_name<'a>(family: &FamilyHead<'a>) -> Option<&'a str> {
    match family.kind {
        FamilyKind::Counter => family.base_name,
        FamilyKind::Histogram | FamilyKind::Summary => Some(family.name),
        FamilyKind::Gauge | FamilyKind::Unknown | FamilyKind::TargetInfo => None,
    }
}

/// Whether its samples may have exemplars: it is a counter that does not have the type `unknown` here. Buckets of
/// histograms always may.
pub(crate) fn has_exemplars(family: &FamilyHead<'_>) -> bool {
    family.kind == FamilyKind::Counter && family.base_name.is_some()
}

/// Appends an exemplar to the line of its sample.
///
/// `OpenMetrics` limits the keys and values of its labels to 128 characters. Here they have 63.
pub(crate) fn push_exemplar(out: &mut Vec<u8>, Exemplar { value, time, span }: &Exemplar) {
    push_str(out, " # {");
    if span.are_valid() {
        let mut digits = [0; 32];
        put_hex(&mut digits, &span.trace());
        for part in [TRACE_ID.as_bytes(), b"=\"", &digits, b"\",", SPAN_ID.as_bytes(), b"=\""] {
            out.extend_from_slice(part);
        }
        put_hex(&mut digits, &span.span());
        out.extend_from_slice(&digits[..16]);
        out.push(b'"');
    }
    push_str(out, "} ");
    push_float(out, *value, true);
    out.push(b' ');
    push_time(out, *time);
}

/// Whether the family can have its base name with this value. A counter must not be negative or
/// NaN. A gauge is of type `info` only if the value is 1.
pub(crate) fn fits_type(kind: FamilyKind, value: Number) -> bool {
    match kind {
        FamilyKind::Counter => is_count_or_sum(value),
        FamilyKind::Gauge | FamilyKind::TargetInfo => value.float() == 1.0,
        FamilyKind::Unknown | FamilyKind::Histogram | FamilyKind::Summary => true,
    }
}

/// Whether a histogram may have sum and count. It must not have them if the sum can decrease, which
/// a negative boundary allows.
pub(crate) fn has_sum(buckets: &[Bucket], sum: Number) -> bool {
    is_count_or_sum(sum) && buckets.first().is_none_or(|bucket| bucket.bound >= 0.0)
}

/// Whether the value may be that of a count or a sum: it is not negative and not NaN.
pub(crate) fn is_count_or_sum(value: Number) -> bool {
    value.float() >= 0.0
}

/// More bytes than an exemplar has: two labels, a number, a time, and what is between them.
pub(crate) const LONGEST_EXEMPLAR: usize = 160;

/// Appends a help text with `\`, `"` and LF escaped.
fn push_help(out: &mut Vec<u8>, help: &str) {
    for b in help.bytes() {
        match b {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            b => out.push(b),
        }
    }
}
