//! Where `OpenMetrics` 1.0 differs from text format 0.0.4.

use crate::families::{
    base_name::base_name,
    family::FamilyDescription,
    model::{Bucket, FamilyKind, Number},
};

/// The last line of an exposition.
pub(crate) const EOF: &str = "# EOF\n";

/// Appends the first lines of a family.
///
/// `fits_type` means that all values of the family [fit its type](fits_type).
pub(crate) fn push_head(out: &mut String, family: &FamilyDescription, fits_type: bool) {
    let FamilyDescription { name, help, kind, unit, has_base_name, .. } = family;
    let base = base_name(name, *kind).filter(|_| *has_base_name && fits_type);
    let type_name = match (kind, base) {
        (FamilyKind::Counter, None) | (FamilyKind::Unknown, _) => "unknown",
        (FamilyKind::Gauge | FamilyKind::TargetInfo, Some(_)) => "info",
        _ => kind.as_str(),
    };
    let name = base.unwrap_or(name);
    for part in ["# HELP ", name, " "] {
        out.push_str(part);
    }
    push_help(out, help);
    for part in ["\n# TYPE ", name, " ", type_name, "\n"] {
        out.push_str(part);
    }
    // In `OpenMetrics`, a name has to end with its unit, and an info has none.
    let ends_with_unit = || name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
    if !unit.is_empty() && type_name != "info" && ends_with_unit() {
        for part in ["# UNIT ", name, " ", unit, "\n"] {
            out.push_str(part);
        }
    }
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
