//! Base names: `OpenMetrics` names some families without the suffix of their samples.
//!
//! In `OpenMetrics`, the counter `orders_total` is the family `orders` with the sample `orders_total`, and the
//! gauge `build_info` is the family `build`.

use crate::families::{family::FamilyDescription, model::FamilyKind};
use std::collections::HashSet;

/// Finds out which families can have their base name.
///
/// A family cannot have its base name if another family uses this name. Example: the base name of
/// the counter `orders_total` is `orders`, and there is a gauge `orders`. Another example: the base
/// name of the counter `x_count_total` is `x_count`, which is a sample of a histogram `x`. For a
/// counter, the base name with `_created` must be free too. A family without its base name keeps
/// its whole name. If it is a counter, its type is `unknown`.
pub(crate) fn find_base_names(families: &mut [FamilyDescription]) {
    let mut used = HashSet::new();
    for family in &*families {
        used.insert(family.name.clone());
        used.extend(family.kind.suffixes().iter().map(|suffix| format!("{}{suffix}", family.name)));
    }
    for family in families {
        let Some(base) = base_name(&family.name, family.kind) else { continue };
        let created = (family.kind == FamilyKind::Counter).then(|| format!("{base}_created"));
        let needed = || [Some(base.to_owned()), created.clone()].into_iter().flatten();
        family.has_base_name = !needed().any(|name| used.contains(&name));
        if family.has_base_name {
            used.extend(needed());
        }
    }
}

/// The name without the suffix that `OpenMetrics` adds to the samples. `None` if there is none.
pub(crate) fn base_name(name: &str, kind: FamilyKind) -> Option<&str> {
    match kind {
        FamilyKind::Counter => name.strip_suffix("_total"),
        FamilyKind::Gauge | FamilyKind::TargetInfo => name.strip_suffix("_info"),
        FamilyKind::Unknown | FamilyKind::Histogram | FamilyKind::Summary => None,
    }
    .filter(|base| !base.is_empty())
}
