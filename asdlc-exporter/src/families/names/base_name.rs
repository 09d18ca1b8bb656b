//! Base names: `OpenMetrics` names some families without the suffix of their samples.
//!
//! In `OpenMetrics`, the counter `orders_total` is the family `orders` with the sample `orders_total`, and the
//! gauge `build_info` is the family `build`.

use crate::families::model::FamilyKind;
use std::collections::HashSet;

/// Finds out which families, by their names and types, can have their base name.
///
/// A family cannot have its base name if another family uses this name. Example: the base name of
/// the counter `orders_total` is `orders`, and there is a gauge `orders`. Another example: the base
/// name of the counter `x_count_total` is `x_count`, which is a sample of a histogram `x`. For a
/// counter, the base name with `_created` must be free too. A family without its base name keeps
/// its whole name. If it is a counter, its type is `unknown`.
pub(crate) fn base_names(families: &[(&str, FamilyKind)]) -> Vec<bool> {
    let mut used = HashSet::new();
    for (name, kind) in families {
        used.insert((*name).to_owned());
        used.extend(kind.suffixes().iter().map(|suffix| format!("{name}{suffix}")));
    }
    let mut has_base_name = |(name, kind): &(&str, FamilyKind)| {
        let Some(base) = base_name(name, *kind) else { return false };
        let created = (*kind == FamilyKind::Counter).then(|| format!("{base}_created"));
        let needed = || [Some(base.to_owned()), created.clone()].into_iter().flatten();
        let is_free = !needed().any(|name| used.contains(&name));
        if is_free {
            used.extend(needed());
        }
        is_free
    };
    families.iter().map(&mut has_base_name).collect()
}

/// What has a sample name in common with a family of this name and type. `get` finds what has a name, and
/// its type.
pub(crate) fn conflict<T>(
    name: &str,
    kind: FamilyKind,
    get: impl Fn(&str) -> Option<(T, FamilyKind)>,
) -> Option<T> {
    let with_my_suffix =
        || kind.suffixes().iter().find_map(|suffix| get(&format!("{name}{suffix}")));
    let without_their_suffix = || {
        FamilyKind::Histogram.suffixes().iter().find_map(|suffix| {
            get(name.strip_suffix(suffix)?).filter(|(_, kind)| kind.suffixes().contains(suffix))
        })
    };
    let (found, _) = get(name).or_else(with_my_suffix).or_else(without_their_suffix)?;
    Some(found)
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
